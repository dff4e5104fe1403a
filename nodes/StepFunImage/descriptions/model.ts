import type { INodeProperties } from 'n8n-workflow';

import { modelsFor, type Operation } from '../catalogue/models';
import { showFor } from './showFor';

/**
 * The Model field of an operation.
 *
 * @param operation the operation whose models are offered
 */
export function modelField(operation: Operation): INodeProperties {
	const models = modelsFor(operation);
	const [{ id: recommended }] = models;
	return {
		displayName: 'Model',
		name: 'model',
		type: 'options',
		displayOptions: showFor(operation),
		options: models.map(({ id, description }) => ({ name: id, value: id, description })),
		default: recommended,
		description:
			'The model that makes the image. Choose from the list, or specify an ID using an <a href="https://docs.n8n.io/code/expressions/">expression</a>, for example for a model of your own server; the node sends what you set for such a model without checking it.',
		routing: { send: { type: 'body', property: 'model' } },
	};
}
