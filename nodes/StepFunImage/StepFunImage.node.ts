import {
	NodeConnectionTypes,
	type IExecuteFunctions,
	type INodeExecutionData,
	type INodeProperties,
	type INodeType,
	type INodeTypeDescription,
} from 'n8n-workflow';

import { testStepFunApi } from './actions/credentialTest';
import { run } from './actions/run';
import { hints } from './descriptions/hints';
import { imageFields } from './descriptions/imageFields';
import { balanceOptionsField } from './descriptions/options';
import { resourceAndOperation } from './descriptions/resources';

const properties: INodeProperties[] = [
	...resourceAndOperation,
	...imageFields,
	balanceOptionsField,
];

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
		credentials: [{ name: 'stepFunApi', required: true, testedBy: 'testStepFunApi' }],
		properties,
	};

	methods = { credentialTest: { testStepFunApi } };

	/** The properties say what is sent: each field its `routing.send`, each operation its `routing.request`. */
	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		return await run(this, properties);
	}
}
