import type { INodeProperties } from 'n8n-workflow';

import { modelsFor, OPERATION_NAMES, OPERATIONS, type Operation } from '../catalogue/models';
import { modelIdsWhere, noticeFor, showFor } from './showFor';

/** The operations that start with the same model share one field, so that switching between them changes nothing. */
const operationsByDefault = new Map<string, Operation[]>();
for (const operation of OPERATIONS) {
	const [{ id }] = modelsFor(operation);
	operationsByDefault.set(id, [...(operationsByDefault.get(id) ?? []), operation]);
}

const fields = [...operationsByDefault].map(
	([recommended, operations]): INodeProperties => ({
		displayName: 'Model',
		name: 'model',
		type: 'resourceLocator',
		displayOptions: showFor(operations),
		required: true,
		// Written as n8n keeps it, so that n8n takes it for the default and not for a choice when the operation changes.
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
			"The model that makes the image. From List shows what the credential's service offers; By ID takes any model, for example one of your own server. The node does not check the settings of a model that it does not know.",
		builderHint: {
			propertyHint: `Use mode "list" with the value "${recommended}" unless the user names another model.`,
		},
		routing: { send: { type: 'body', property: 'model' } },
	}),
);

/** A model that the operation does not have is kept for the way back, and refused before anything is sent. */
const notices = OPERATIONS.flatMap((operation) =>
	modelIdsWhere(operation, (capabilities) => capabilities === undefined).map(
		(model): INodeProperties => ({
			displayName: `${model} does not offer ${OPERATION_NAMES[operation]}. Choose another model, such as ${modelsFor(operation)[0].id}.`,
			name: `modelNotice_${operation}_${model}`,
			type: 'notice',
			default: '',
			displayOptions: noticeFor(operation, model),
		}),
	),
);

/** The Model field, and what is said of a model that the chosen operation does not have. */
export const modelFields: INodeProperties[] = [...fields, ...notices];
