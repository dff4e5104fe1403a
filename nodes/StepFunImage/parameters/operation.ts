import type { INodeProperties } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';

export const resourceAndOperation: INodeProperties[] = [
	{
		displayName: 'Resource',
		name: 'resource',
		type: 'options',
		noDataExpression: true,
		options: [{ name: 'Image', value: 'image' }],
		default: 'image',
	},
	{
		displayName: 'Operation',
		name: 'operation',
		type: 'options',
		noDataExpression: true,
		displayOptions: { show: { resource: ['image'] } },
		options: [
			{
				name: 'Generate',
				value: 'generate',
				action: 'Generate an image',
				description: 'Create an image from a text prompt',
				routing: {
					request: { method: 'POST', url: '/images/generations' },
					send: { paginate: true },
				},
			},
			{
				name: 'Edit',
				value: 'edit',
				action: 'Edit an image',
				description: 'Change an image of the incoming item as a text prompt says',
				routing: {
					request: { method: 'POST', url: '/images/edits' },
					send: { paginate: true },
				},
			},
		],
		default: 'generate',
	},
];

/**
 * The display condition of a field that belongs to one operation, and there to some models.
 *
 * @param operation the operation that shows the field
 * @param models IDs of the models that show it; without them all models do
 */
export function showFor(
	operation: Operation,
	models?: readonly string[],
): { show: Record<string, string[]> } {
	return {
		show: {
			resource: ['image'],
			operation: [operation],
			...(models ? { model: [...models] } : {}),
		},
	};
}
