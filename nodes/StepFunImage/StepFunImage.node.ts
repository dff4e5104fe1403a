import { NodeConnectionTypes, type INodeType, type INodeTypeDescription } from 'n8n-workflow';

import { BASE_URL_EXPRESSION } from './catalogue/hosts';
import { hints } from './parameters/hints';
import { imageFields } from './parameters/image';
import { resourceAndOperation } from './parameters/operation';
import { balanceOptionsField } from './parameters/options';
import { sendItem } from './transport/sendItem';

export class StepFunImage implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'StepFun Image',
		name: 'stepFunImage',
		icon: { light: 'file:../../icons/stepfun.svg', dark: 'file:../../icons/stepfun.dark.svg' },
		group: ['transform'],
		version: 1,
		// In words: "image to image: step-2x-large", "get balance: account".
		subtitle:
			'={{ $parameter["operation"].replace(/[A-Z]/g, (letter) => " " + letter.toLowerCase()) + ": " + ($parameter["model"] || $parameter["resource"]) }}',
		description: "Generate images from text and edit images with StepFun's image API",
		defaults: { name: 'StepFun Image' },
		hints,
		usableAsTool: true,
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		credentials: [{ name: 'stepFunApi', required: true }],
		requestDefaults: {
			baseURL: BASE_URL_EXPRESSION,
			headers: { Accept: 'application/json' },
			// The transport judges every status itself and reads the body as it arrives.
			ignoreHttpStatusErrors: true,
			encoding: 'stream',
			// A redirect could carry the key to another host.
			disableFollowRedirect: true,
		},
		// n8n's routing calls this function as the transport of every item.
		requestOperations: { pagination: sendItem },
		properties: [...resourceAndOperation, ...imageFields, balanceOptionsField],
	};
}
