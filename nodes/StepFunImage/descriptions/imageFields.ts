import type { INodeProperties } from 'n8n-workflow';

import { OPERATIONS } from '../catalogue/models';
import { inputImageFields } from './inputImage';
import { modelField } from './model';
import { negativePromptNotices, optionsFields, optionsOfUnknownModel } from './options';
import { outputFields } from './output';
import { promptField } from './prompt';
import { sizeFields, sizeOfUnknownModel } from './size';
import { sourceWeightField } from './sourceWeight';

/** The fields of all image operations, in the order in which the panel shows them. */
export const imageFields: INodeProperties[] = [
	...OPERATIONS.map(modelField),
	...inputImageFields('edit'),
	...inputImageFields('imageToImage'),
	promptField,
	sourceWeightField,
	...OPERATIONS.flatMap(sizeFields),
	sizeOfUnknownModel,
	...outputFields,
	// Before the options that they speak of, which may reach below the window's edge.
	...OPERATIONS.flatMap(negativePromptNotices),
	...OPERATIONS.flatMap(optionsFields),
	optionsOfUnknownModel,
];
