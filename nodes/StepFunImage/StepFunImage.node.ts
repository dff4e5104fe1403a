import {
	NodeConnectionTypes,
	type ICredentialsDecrypted,
	type ICredentialTestFunctions,
	type IExecuteFunctions,
	type ILoadOptionsFunctions,
	type INodeExecutionData,
	type INodeProperties,
	type INodeType,
	type INodeTypeDescription,
} from 'n8n-workflow';

import { hints } from './descriptions/hints';
import { imageFields } from './descriptions/imageFields';
import { balanceOptionsField } from './descriptions/options';
import { resourceAndOperation } from './descriptions/resources';
import { toolDescriptionFields } from './descriptions/toolVariant';

const properties: INodeProperties[] = [
	...toolDescriptionFields,
	...resourceAndOperation,
	...imageFields,
	balanceOptionsField,
];

/** Loads the actions on first use, because n8n loads the descriptions of all nodes when it starts. */
const loadActions = async () => await import('./actions/index.js');

export class StepFunImage implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'StepFun Image',
		name: 'stepFunImage',
		icon: { light: 'file:../../icons/stepfun.svg', dark: 'file:../../icons/stepfun.dark.svg' },
		group: ['transform'],
		version: 1,
		// For example "image to image: step-2x-large" and "get balance: account".
		subtitle:
			'={{ $parameter["operation"].replace(/[A-Z]/g, (letter) => " " + letter.toLowerCase()) + ": " + ($parameter["model"] || $parameter["resource"]) }}',
		description: 'Generate and edit images with StepFun, or with your own or another image server',
		defaults: { name: 'StepFun Image' },
		hints,
		usableAsTool: true,
		builderHint: {
			searchHint:
				"Generates, edits and varies images with StepFun. Makes one image for each input item and limits the rate of its requests, so it needs no loop and no Wait node. As an agent's tool, it returns links, not files.",
			relatedNodes: [
				{
					nodeType: 'n8n-nodes-base.readWriteFile',
					relationHint: 'Saves the image from the binary field data to disk',
				},
				{
					nodeType: 'n8n-nodes-base.dataTable',
					relationHint: 'Keeps the rows of a large batch, so that it can continue after a restart',
				},
			],
		},
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		credentials: [{ name: 'stepFunApi', required: true, testedBy: 'testStepFunApi' }],
		properties,
	};

	methods = {
		credentialTest: {
			async testStepFunApi(this: ICredentialTestFunctions, credential: ICredentialsDecrypted) {
				return await (await loadActions()).testStepFunApi.call(this, credential);
			},
		},
		listSearch: {
			async searchModels(this: ILoadOptionsFunctions, filter?: string) {
				return await (await loadActions()).searchModels.call(this, filter);
			},
		},
	};

	/** The properties define what is sent: each field by its `routing.send`, each operation by its `routing.request`. */
	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		return await (await loadActions()).run(this, properties);
	}
}
