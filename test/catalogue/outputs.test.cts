import {
	ACCOUNT_DEFAULTS,
	DEFAULT_LINK_LIFETIME,
	FALLBACK_FIELD,
	LINK_LIFETIMES,
	MAX_IMAGES_PER_INPUT,
	MAX_TRIES_LIMIT,
	RETRY_DEFAULTS,
} from '../../nodes/StepFunImage/catalogue/defaults';
import { IMAGE_FORMATS } from '../../nodes/StepFunImage/catalogue/imageFormats';
import { findOutput, OUTPUTS, outputsWithout } from '../../nodes/StepFunImage/catalogue/outputs';

test('An output is a file, a link of the service, a link of n8n, or a file with either link', () => {
	expect(outputsWithout('hasFile')).toEqual(['url', 'n8nLink']);
	expect(outputsWithout('hasUrl')).toEqual(['file', 'fileAndN8nLink', 'n8nLink']);
	expect(outputsWithout('hasN8nLink')).toEqual(['file', 'fileAndUrl', 'url']);
	expect(OUTPUTS.map(({ value, name }) => [value, name])).toEqual([
		['file', 'Image File'],
		['fileAndN8nLink', 'Image File and Temporary Link'],
		['fileAndUrl', 'Image File and URL'],
		['url', 'Image URL'],
		['n8nLink', 'Temporary Link'],
	]);
	for (const { description } of OUTPUTS) expect(description).toMatch(/^(Put|Keep) .* item/);
});

test('An output is found by its value', () => {
	for (const output of OUTPUTS) expect(findOutput(output.value)).toBe(output);
});

test('The defaults match the README', () => {
	expect(RETRY_DEFAULTS).toEqual({ timeoutSeconds: 120, maxTries: 5, giveUpAfterSeconds: 600 });
	expect(ACCOUNT_DEFAULTS).toEqual({ concurrentRequests: 5, requestsPerMinute: 0 });
	expect([MAX_IMAGES_PER_INPUT, MAX_TRIES_LIMIT, FALLBACK_FIELD]).toEqual([20, 20, 'data']);
	expect(LINK_LIFETIMES.map(({ name, value }) => [name, value])).toEqual([
		['1 Hour', '1 hour'],
		['1 Day', '1 day'],
		['7 Days', '7 days'],
		['30 Days', '30 days'],
	]);
	expect(DEFAULT_LINK_LIFETIME).toBe('1 day');
});

test('The image formats have the types and extensions that are registered for them', () => {
	expect(
		Object.entries(IMAGE_FORMATS).map(([format, { name, mimeType, extension }]) => [
			format,
			name,
			mimeType,
			extension,
		]),
	).toEqual([
		['png', 'PNG', 'image/png', 'png'],
		['jpg', 'JPEG', 'image/jpeg', 'jpg'],
		['webp', 'WebP', 'image/webp', 'webp'],
		['gif', 'GIF', 'image/gif', 'gif'],
		['bmp', 'BMP', 'image/bmp', 'bmp'],
		['tiff', 'TIFF', 'image/tiff', 'tiff'],
		['heif', 'HEIF', 'image/heif', 'heic'],
		['avif', 'AVIF', 'image/avif', 'avif'],
		['svg', 'SVG', 'image/svg+xml', 'svg'],
	]);
});
