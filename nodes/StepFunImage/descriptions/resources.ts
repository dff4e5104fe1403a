import type { INodeProperties } from 'n8n-workflow';

import { OPERATION_NAMES } from '../catalogue/models';

export const resourceAndOperation: INodeProperties[] = [
	{
		displayName: 'Resource',
		name: 'resource',
		type: 'options',
		noDataExpression: true,
		options: [
			// Not in alphabetical order: n8n lists the actions of the first resource first.
			{ name: 'Image', value: 'image' },
			{ name: 'Account', value: 'account' },
		],
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
				name: OPERATION_NAMES.generate,
				value: 'generate',
				action: 'Generate image',
				description: 'Create an image from a text prompt',
				routing: { request: { method: 'POST', url: '/images/generations' } },
			},
			{
				name: OPERATION_NAMES.edit,
				value: 'edit',
				action: 'Edit image',
				description: 'Change an image according to a text prompt',
				routing: { request: { method: 'POST', url: '/images/edits' } },
			},
			{
				name: OPERATION_NAMES.imageToImage,
				value: 'imageToImage',
				action: 'Create image from image',
				description: 'Create a new image based on a source image and a text prompt',
				routing: { request: { method: 'POST', url: '/images/image2image' } },
			},
		],
		default: 'generate',
	},
	{
		displayName: 'Operation',
		name: 'operation',
		type: 'options',
		noDataExpression: true,
		displayOptions: { show: { resource: ['account'] } },
		options: [
			{
				name: 'Get Balance',
				value: 'getBalance',
				action: 'Get account balance',
				description: 'Get the account balance and how many images it buys',
				routing: { request: { method: 'GET', url: '/accounts' } },
			},
		],
		default: 'getBalance',
	},
];
