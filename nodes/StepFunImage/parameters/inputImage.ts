import type { INodeProperties } from 'n8n-workflow';

import { modelsFor } from '../catalogue/models';
import { showFor } from './operation';

const [{ facts: recommended }] = modelsFor('edit');
const maxSide = recommended.inputImage?.maxSide;

export const inputImageField: INodeProperties = {
	displayName: 'Input Data Field Name',
	name: 'binaryPropertyName',
	type: 'string',
	required: true,
	default: 'data',
	placeholder: 'e.g. data',
	hint: 'The name of the input field containing the image to be edited',
	description: `A PNG, JPEG or WebP image of at most ${maxSide} × ${maxSide} pixels. It is read only when the item's turn comes.`,
	displayOptions: showFor('edit'),
};
