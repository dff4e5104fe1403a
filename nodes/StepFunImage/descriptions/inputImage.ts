import type { INodeProperties } from 'n8n-workflow';

import { IMAGE_FORMATS } from '../catalogue/imageFormats';
import { modelsFor, type Operation } from '../catalogue/models';
import { showFor } from './showFor';
import { toolVariant } from './toolVariant';

/**
 * The fields that say where the input image comes from. Their values are lost on the way from Edit to Generate and
 * back: n8n's editor deletes the value of each field that leaves the panel, also where a field of the type `hidden`
 * has the same name. Only a field that stays in sight would keep them, and Generate has no use for it.
 *
 * @param operation an operation that takes an image
 */
export function inputImageFields(operation: Operation): INodeProperties[] {
	const [{ capabilities: recommended }] = modelsFor(operation);
	const { maxSide, formats } = recommended.inputImage ?? {};
	const accepted = formats
		? formats.map((format) => IMAGE_FORMATS[format].name).join(' or ')
		: 'PNG, JPEG and WebP are safe choices';
	const showForSource = (source: 'binary' | 'url' | 'text'): INodeProperties['displayOptions'] => ({
		show: { ...showFor(operation).show, inputSource: [source] },
	});
	const [inputSource, ...rest]: INodeProperties[] = [
		{
			displayName: 'Input Image From',
			name: 'inputSource',
			type: 'options',
			options: [
				{
					name: 'Base64 Text',
					value: 'text',
					description: 'A field of the item that holds Base64 text or a data URI',
				},
				{
					name: 'Binary Field',
					value: 'binary',
					description: 'A file that the item carries',
				},
				{
					name: 'URL',
					value: 'url',
					description: 'An address from which n8n downloads the image',
				},
			],
			default: 'binary',
			displayOptions: showFor(operation),
			description: `Where the image is. At most ${maxSide} × ${maxSide} pixels; ${accepted}. A file is checked before anything is sent; an image behind a URL only when the item's turn comes.`,
		},
		{
			displayName: 'Input Data Field Name',
			name: 'binaryPropertyName',
			type: 'string',
			required: true,
			default: 'data',
			placeholder: 'e.g. data',
			hint: 'The name of the input field containing the image. Several names separated by commas, or * for all images of the item, make one result each.',
			displayOptions: showForSource('binary'),
		},
		{
			displayName: 'Image URL',
			name: 'inputUrl',
			type: 'string',
			required: true,
			default: '',
			placeholder: 'e.g. https://example.com/shoe.jpg',
			description:
				'Address of the image. It must open without a login; the API key is not sent there.',
			displayOptions: showForSource('url'),
		},
		{
			displayName: 'Base64 Text',
			name: 'inputText',
			type: 'string',
			required: true,
			default: '',
			placeholder: 'e.g. data:image/png;base64,iVBORw0KGgo',
			description: 'The image as Base64 text or as a data URI',
			displayOptions: showForSource('text'),
		},
	];
	return [
		...toolVariant(
			inputSource,
			['url', 'text'],
			`Where the image is; a model can best pass on a URL. At most ${maxSide} × ${maxSide} pixels; ${accepted}.`,
		),
		...rest,
	];
}
