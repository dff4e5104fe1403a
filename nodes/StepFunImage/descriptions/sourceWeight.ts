import type { INodeProperties } from 'n8n-workflow';

import { modelsFor } from '../catalogue/models';
import { showFor } from './showFor';

const [{ capabilities }] = modelsFor('imageToImage');
const defaultValue = capabilities.sourceWeight?.default;
const max = capabilities.sourceWeight?.max;

export const sourceWeightField: INodeProperties = {
	displayName: 'Source Weight',
	name: 'sourceWeight',
	type: 'number',
	typeOptions: { minValue: 0, maxValue: max, numberPrecision: 2 },
	required: true,
	default: defaultValue,
	description: `How much the result may differ from the source image, above 0 and up to ${max}. At 0.2, it stays close to the source; at ${max}, it keeps little more than the subject.`,
	displayOptions: showFor('imageToImage'),
	routing: { send: { type: 'body', property: 'source_weight' } },
};
