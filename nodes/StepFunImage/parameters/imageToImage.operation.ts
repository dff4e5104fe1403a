import type { INodeProperties } from 'n8n-workflow';

import { inputImageFields } from './inputImage';
import { modelField } from './model';
import { optionsFields } from './options';
import { outputFields } from './output';
import { promptField } from './prompt';
import { sizeFields } from './size';
import { sourceWeightField } from './sourceWeight';

export const imageToImageFields: INodeProperties[] = [
	modelField('imageToImage'),
	...inputImageFields('imageToImage'),
	promptField('imageToImage'),
	sourceWeightField,
	...sizeFields('imageToImage'),
	...outputFields('imageToImage'),
	...optionsFields('imageToImage'),
];
