import type { INodeProperties } from 'n8n-workflow';

import { showFor } from './operation';

export const inputImageField: INodeProperties = {
	displayName: 'Input Data Field Name',
	name: 'binaryPropertyName',
	type: 'string',
	required: true,
	default: 'data',
	placeholder: 'e.g. data',
	hint: 'The name of the input field containing the image to be edited',
	description:
		'The image is read when its turn comes. Up to 4096 × 4096 pixels; PNG, JPEG and WebP are safe choices.',
	displayOptions: showFor('edit'),
};
