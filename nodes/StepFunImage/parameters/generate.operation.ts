import type { INodeProperties } from 'n8n-workflow';

import { modelField } from './model';
import { negativePromptNotices, optionsFields } from './options';
import { outputFields } from './output';
import { promptField } from './prompt';
import { sizeFields } from './size';

export const generateFields: INodeProperties[] = [
	modelField('generate'),
	promptField('generate'),
	...sizeFields('generate'),
	...outputFields('generate'),
	...optionsFields('generate'),
	...negativePromptNotices('generate'),
];
