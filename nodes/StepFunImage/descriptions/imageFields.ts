import type { INodeProperties } from 'n8n-workflow';

import { OPERATIONS } from '../catalogue/models';
import { inputImageFields } from './inputImage';
import { modelFields } from './model';
import { optionNotices } from './optionNotices';
import { imageOptionsField } from './options';
import { outputFields } from './output';
import { promptField } from './prompt';
import { sizeFields, sizeOfUnknownModel, unusedSizeFields } from './size';
import { sourceWeightField } from './sourceWeight';

/** The fields of all image operations, in the order in which the panel shows them. */
export const imageFields: INodeProperties[] = [
	...modelFields,
	...inputImageFields('edit'),
	...inputImageFields('imageToImage'),
	promptField,
	sourceWeightField,
	...OPERATIONS.flatMap(sizeFields),
	sizeOfUnknownModel,
	...unusedSizeFields,
	...outputFields,
	// Above the options that they concern, because a long list of options pushes them out of view.
	...optionNotices,
	imageOptionsField,
];
