import type { INodeProperties } from 'n8n-workflow';

import {
	MODELS,
	modelsFor,
	OPERATION_NAMES,
	OPERATIONS,
	type Operation,
} from '../catalogue/models';
import { noticeFor, showFor } from './showFor';

/** Operations with the same default model share a field, so that the model stays when the user switches between them. */
const defaultOf = (operation: Operation) => modelsFor(operation)[0].id;

const fields = [...new Set(OPERATIONS.map(defaultOf))].map(
	(recommended): INodeProperties => ({
		displayName: 'Model',
		name: 'model',
		type: 'resourceLocator',
		displayOptions: showFor(OPERATIONS.filter((each) => defaultOf(each) === recommended)),
		required: true,
		// In the form in which n8n stores it, so that n8n recognizes it as the default when the operation changes.
		default: { __rl: true, mode: 'list', value: recommended },
		modes: [
			{
				displayName: 'From List',
				name: 'list',
				type: 'list',
				typeOptions: { searchListMethod: 'searchModels', searchable: true },
			},
			{
				displayName: 'By ID',
				name: 'id',
				type: 'string',
				placeholder: `e.g. ${recommended}`,
			},
		],
		description:
			"The model that generates the image. From List shows the models of the credential's service. By ID accepts any model, such as one on your own server. The node does not check the settings of a model that it does not know.",
		builderHint: {
			propertyHint: `Use mode "list" with the value "${recommended}" unless the user names another model.`,
		},
		routing: { send: { type: 'body', property: 'model' } },
	}),
);

/** The field keeps a model that a new operation does not offer, in case the user switches back. The run refuses it. */
const notices = OPERATIONS.flatMap((operation) =>
	MODELS.filter(({ operations }) => !operations[operation]).map(({ id }) => {
		const text = `${id} does not offer ${OPERATION_NAMES[operation]}. Choose another model, such as ${defaultOf(operation)}.`;
		return noticeFor({ operation, id }, 'model', text);
	}),
);

/** The Model field, and the notices for models that the chosen operation does not offer. */
export const modelFields: INodeProperties[] = [...fields, ...notices];
