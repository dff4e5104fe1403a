import type { INodeProperties } from 'n8n-workflow';

import { modelsFor, type Operation } from '../catalogue/models';
import { inputImageFields } from './inputImage';
import { limitsInWords } from './limitsInWords';
import { modelFields } from './model';
import { optionNotices } from './optionNotices';
import { imageOptionsField } from './options';
import { outputFields } from './output';
import { showFor } from './showFor';
import { sizeFields } from './size';

/** The value stays when the user switches between operations, because n8n keeps that of a field of the same name. */
const promptField = (operations: readonly Operation[], placeholder: string): INodeProperties => ({
	displayName: 'Prompt',
	name: 'prompt',
	type: 'string',
	typeOptions: { rows: 4 },
	required: true,
	default: '',
	displayOptions: showFor(operations),
	placeholder,
	description: `What the image should show, or what to change in it and what to keep, in English or Chinese. StepFun's models accept at most ${limitsInWords(({ maxPromptCharacters }) => `${maxPromptCharacters} characters`)}. Put quotes around words that should appear in the image.`,
	builderHint: {
		propertyHint:
			'Describe subject, setting, light and style. For Edit, say what to change and what to keep as it is. Use an expression when the text comes from the input, and quote words that should appear as lettering.',
	},
	routing: { send: { type: 'body', property: 'prompt' } },
});

const [{ capabilities }] = modelsFor('imageToImage');
const { max, default: defaultWeight } = { ...capabilities.sourceWeight };

const sourceWeightField: INodeProperties = {
	displayName: 'Source Weight',
	name: 'sourceWeight',
	type: 'number',
	typeOptions: { minValue: 0, maxValue: max, numberPrecision: 2 },
	required: true,
	default: defaultWeight,
	description: `How much the result may differ from the source image, above 0 and up to ${max}. At 0.2, it stays close to the source; at ${max}, it keeps little more than the subject.`,
	displayOptions: showFor('imageToImage'),
	routing: { send: { type: 'body', property: 'source_weight' } },
};

/** The fields of all image operations, in the order in which the panel shows them. */
export const imageFields: INodeProperties[] = [
	...modelFields,
	...inputImageFields('edit'),
	...inputImageFields('imageToImage'),
	promptField(
		['generate', 'imageToImage'],
		'e.g. A red shoe on white marble, soft morning light, product photo',
	),
	promptField(['edit'], 'e.g. Replace the background with white marble. Keep the shoe as it is.'),
	sourceWeightField,
	...sizeFields,
	...outputFields,
	// Above the options that they concern, because a long list of options pushes them out of view.
	...optionNotices,
	imageOptionsField,
];
