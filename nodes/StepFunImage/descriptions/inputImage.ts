import type { INodeProperties } from 'n8n-workflow';

import { IMAGE_FORMATS } from '../catalogue/imageFormats';
import { modelsFor, type Operation } from '../catalogue/models';
import { showFor } from './showFor';
import { toolVariant } from './toolVariant';

/**
 * The fields that say where an operation's input image comes from. Switching to Generate resets them: n8n's editor
 * deletes the value of every field that leaves the panel, even if a field of the type `hidden` has the same name. Only a
 * visible field would keep the value, and Generate has no use for one.
 */
export function inputImageFields(operation: Operation): INodeProperties[] {
	const [{ capabilities: recommended }] = modelsFor(operation);
	const { maxSide, formats } = recommended.inputImage ?? {};
	const accepted = formats
		? `The format must be ${formats.map((format) => IMAGE_FORMATS[format].name).join(' or ')}.`
		: 'PNG, JPEG and WebP are safe choices.';
	return [
		...toolVariant(
			{
				displayName: 'Input Image From',
				name: 'inputSource',
				type: 'options',
				options: [
					{
						name: 'Base64 Text',
						value: 'text',
						description: 'Base64 text or a data URI in a field of the item',
					},
					{
						name: 'Binary Field',
						value: 'binary',
						description: 'A file in a binary field of the item',
					},
					{
						name: 'URL',
						value: 'url',
						description: 'An address from which n8n downloads the image',
					},
				],
				default: 'binary',
				displayOptions: showFor(operation),
				description: `Where to get the image from. StepFun's models accept at most ${maxSide} × ${maxSide} pixels. ${accepted} The node checks an image at a URL right before its own request, and any other image before it sends anything.`,
			},
			['url', 'text'],
			`Where to get the image from. A URL is the easiest for a model to pass on. StepFun's models accept at most ${maxSide} × ${maxSide} pixels. ${accepted}`,
		),
		...sourceFields(operation, 'binary', {
			displayName: 'Input Data Field Name',
			name: 'binaryPropertyName',
			type: 'string',
			default: 'data',
			placeholder: 'e.g. data',
			hint: 'The name of the input binary field containing the image. For several images, separate the names with commas, or enter * for all images of the item.',
		}),
		...sourceFields(operation, 'url', {
			displayName: 'Image URL',
			name: 'inputUrl',
			type: 'string',
			default: '',
			placeholder: 'e.g. https://example.com/shoe.jpg',
			description:
				'Address of the image. It must open without a login. The node does not send the API key to it.',
		}),
		...sourceFields(operation, 'text', {
			displayName: 'Base64 Text',
			name: 'inputText',
			type: 'string',
			default: '',
			placeholder: 'e.g. data:image/png;base64,iVBORw0KGgo',
			description: 'The image as Base64 text or as a data URI',
		}),
	];
}

/**
 * Two variants of the field for a source, of which n8n shows one: a required one if this source is chosen, and an
 * optional one if an expression chooses the source, because n8n then shows the fields of all sources.
 */
function sourceFields(
	operation: Operation,
	source: string,
	field: INodeProperties,
): INodeProperties[] {
	const { show } = showFor(operation);
	const isAnother = [{ _cnd: { not: source } }];
	return [
		{ ...field, required: true, displayOptions: { show, hide: { inputSource: isAnother } } },
		{ ...field, displayOptions: { show, hide: { inputSource: ['binary', 'url', 'text'] } } },
	];
}
