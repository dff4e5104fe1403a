import type { INodeProperties } from 'n8n-workflow';

import { inputImageFields } from './inputImage';
import { modelField } from './model';
import { negativePromptNotices, optionsFields } from './options';
import { outputFields } from './output';
import { promptField } from './prompt';
import { sizeFields } from './size';

export const editFields: INodeProperties[] = [
	modelField('edit'),
	...inputImageFields('edit'),
	promptField('edit'),
	...sizeFields('edit'),
	...outputFields('edit'),
	...optionsFields('edit'),
	...negativePromptNotices('edit'),
];
