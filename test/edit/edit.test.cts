import FormData from 'form-data';

import { decoded, inputImage, itemWithFile, pngOfBytes } from '../kit/images.cts';
import { COMBINES_BINARY } from '../kit/n8nDifferences.cts';
import { bytesOf, storeFile } from '../kit/runNode.cts';
import { parseBody } from '../stepfun-server/requestBody.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import { runEdit, sentFields } from '../kit/localRuns.cts';

const MEGABYTE = 1024 * 1024;

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer();
});

beforeEach(() => server.reset());

afterAll(async () => await server.close());

test('Edit needs only an image and a prompt: one multipart POST, one edited picture', async () => {
	const image = await inputImage(320, 200);
	const { items, error } = await runEdit(server, [await itemWithFile(image)], {
		prompt: 'Put the shoe on a beach',
	});

	expect(error).toBeUndefined();
	const [request] = server.requests;
	expect([request.method, request.path, request.status]).toEqual(['POST', '/v1/images/edits', 200]);
	expect(request.headers['content-type']).toMatch(/^multipart\/form-data; ?boundary=.+/);
	expect(request.headers.authorization).toBe('Bearer local-stepfun-key');
	expect(sentFields(server)).toEqual({
		model: 'step-image-edit-2',
		prompt: 'Put the shoe on a beach',
		response_format: 'b64_json',
	});
	expect(request.file?.name).toBe('shoe.png');
	expect(request.file?.type).toBe('image/png');
	expect(request.file?.bytes.equals(image)).toBe(true);

	expect(items).toHaveLength(1);
	expect(items[0].pairedItem).toEqual({ item: 0 });
	const picture = await bytesOf(items[0].binary?.data);
	expect(picture.equals(server.sentImages[0])).toBe(true);
	expect(await decoded(picture)).toEqual({ format: 'png', width: 320, height: 200 });
});

test.each(['shoe.png', '红鞋 (1).png', 'a "quoted" name.png', "it's; a=b.png", 'naïve café.png'])(
	'The body of an edit matches one that the form-data package makes, file name %j',
	async (fileName) => {
		const image = await inputImage(80, 60);
		await runEdit(server, [await itemWithFile(image, fileName)], {
			prompt: '把背景换成 "beach"\nkeep the shoe',
			options: { steps: 9, cfgScale: 2.5, seed: 3, negativePrompt: 'haze & fog', textMode: true },
		});
		const [request] = server.requests;
		const sent = await parseBody(request.headers['content-type'], request.rawBody!);

		const stored = await storeFile(image, fileName, 'image/png');
		const form = new FormData();
		form.append('model', 'step-image-edit-2');
		form.append('prompt', '把背景换成 "beach"\nkeep the shoe');
		form.append('negative_prompt', 'haze & fog');
		form.append('text_mode', 'true');
		form.append('seed', '3');
		form.append('steps', '9');
		form.append('cfg_scale', '2.5');
		form.append('response_format', 'b64_json');
		form.append('image', image, { filename: stored.fileName, contentType: 'image/png' });
		const expected = await parseBody(form.getHeaders()['content-type'], form.getBuffer());

		const parts = (body: typeof sent) =>
			body.kind === 'multipart'
				? body.parts.map((part) =>
						'file' in part
							? { ...part, file: { ...part.file, bytes: part.file.bytes.toString('base64') } }
							: { ...part, text: part.text.replaceAll('\r\n', '\n') },
					)
				: [];
		expect(parts(sent)).toHaveLength(9);
		expect(parts(sent)).toEqual(parts(expected));
	},
);

test('Edit sends the image of each item with its own request', async () => {
	const images = await Promise.all(
		[0, 1, 2].map(async (index) => await inputImage(100 + index, 90)),
	);
	const items = await Promise.all(
		images.map(async (image, index) => await itemWithFile(image, `picture ${index + 1}.png`)),
	);
	const result = await runEdit(server, items);

	const sent = server.requests
		.map(({ file }) => ({ name: file?.name, bytes: file?.bytes.toString('base64') }))
		.sort((a, b) => String(a.name).localeCompare(String(b.name)));
	expect(sent).toEqual(
		images.map((image, index) => ({
			name: `picture ${index + 1}.png`,
			bytes: image.toString('base64'),
		})),
	);
	expect(result.items.map(({ json }) => json.width)).toEqual([100, 101, 102]);
	expect(result.items.map(({ json }) => json.fileName)).toEqual([
		'picture-1-edited-1.png',
		'picture-2-edited-2.png',
		'picture-3-edited-3.png',
	]);
});

describe('Edit: the input field', () => {
	test('Edit takes its image from the field that Input Data Field Name names', async () => {
		const image = await inputImage(50, 40);
		const item = {
			json: {},
			binary: {
				data: await storeFile(Buffer.from('a text'), 'notes.txt', 'text/plain'),
				photo: await storeFile(image, 'photo.png', 'image/png'),
			},
		};
		await runEdit(server, [item], { binaryPropertyName: ' photo ' });
		expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
	});

	test('Edit takes its image from the field that an expression names for each item', async () => {
		const [first, second] = [await inputImage(50, 40), await inputImage(60, 40)];
		const result = await runEdit(
			server,
			[
				{ json: { field: 'a' }, binary: { a: await storeFile(first, 'a.png', 'image/png') } },
				{ json: { field: 'b' }, binary: { b: await storeFile(second, 'b.png', 'image/png') } },
			],
			{ binaryPropertyName: '={{ $json.field }}' },
		);
		expect(result.items.map(({ json }) => json.width)).toEqual([50, 60]);
	});

	test('Edit takes an image that n8n keeps in memory, inside the execution data', async () => {
		const image = await inputImage(70, 50, 'jpeg');
		const data = await storeFile(image, 'shoe.jpg', 'image/jpeg', 'default');
		expect(data.id).toBeUndefined();
		const { items } = await runEdit(
			server,
			[{ json: {}, binary: { data } }],
			{},
			{
				binaryMode: 'default',
			},
		);
		expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
		expect(server.requests[0].file?.type).toBe('image/jpeg');
		expect((await bytesOf(items[0].binary?.data)).equals(server.sentImages[0])).toBe(true);
	});

	(COMBINES_BINARY ? describe : describe.skip)('Edit: combined binary mode', () => {
		test.each([
			['by its path', '_files.data'],
			['by an expression that gives the file itself', '={{ $json._files.data }}'],
		])('In combined binary mode Edit finds its image %s', async (_, binaryPropertyName) => {
			const image = await inputImage(70, 50);
			const data = await storeFile(image, 'shoe.png', 'image/png');
			const { error } = await runEdit(
				server,
				[{ json: { _files: { data } } as never }],
				{ binaryPropertyName },
				{ combineBinary: true },
			);
			expect(error?.message).toBeUndefined();
			expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
		});

		test.each(['data', '*'])(
			'In combined binary mode Edit finds an image that n8n keeps in memory with %s',
			async (binaryPropertyName) => {
				const image = await inputImage(70, 50);
				const data = { data: image.toString('base64'), mimeType: 'image/png' };
				const { error } = await runEdit(
					server,
					[{ json: {}, binary: { data } }],
					{ binaryPropertyName },
					{ combineBinary: true, binaryMode: 'default' },
				);
				expect(error?.message).toBeUndefined();
				expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
			},
		);
	});

	test('Edit sends an image whole that is in memory as Base64 in lines, as code may write it', async () => {
		const image = await pngOfBytes(300_000);
		const data = {
			data: image.toString('base64').replace(/.{76}/g, '$&\r\n'),
			mimeType: 'image/png',
		};
		const { error } = await runEdit(
			server,
			[{ json: {}, binary: { data } }],
			{},
			{ binaryMode: 'default' },
		);
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
	});

	test('An expression may give Edit the file itself, also from an earlier node', async () => {
		const image = await inputImage(70, 50);
		const { error } = await runEdit(server, [await itemWithFile(image)], {
			binaryPropertyName: "={{ $('Source').item.binary.data }}",
		});
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
	});
});

describe('Edit: input formats', () => {
	test.each([
		['png', 'image/png'],
		['jpeg', 'image/jpeg'],
		['webp', 'image/webp'],
		['gif', 'image/gif'],
		['tiff', 'image/tiff'],
	] as const)('step-image-edit-2 edits %s and is told %s', async (format, mimeType) => {
		const image = await inputImage(90, 70, format);
		const { error } = await runEdit(server, [
			await itemWithFile(image, `input.${format}`, mimeType),
		]);
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.type).toBe(mimeType);
		expect(server.requests[0].status).toBe(200);
	});

	test.each([
		['png', 'image/png'],
		['jpeg', 'image/jpeg'],
		['webp', 'image/webp'],
	] as const)('step-1x-edit edits %s', async (format, mimeType) => {
		const image = await inputImage(90, 70, format);
		await runEdit(server, [await itemWithFile(image, `input.${format}`, mimeType)], {
			model: 'step-1x-edit',
		});
		expect([server.requests[0].status, server.requests[0].file?.type]).toEqual([200, mimeType]);
	});

	test('Edit sends the type of the bytes, whatever the item claims', async () => {
		const image = await inputImage(90, 70, 'webp');
		await runEdit(server, [await itemWithFile(image, 'download', 'application/octet-stream')]);
		expect(server.requests[0].file?.type).toBe('image/webp');
		expect(server.requests[0].file?.name).toBe('download');
	});

	test('Edit names a file without a name after its format', async () => {
		const data = await storeFile(await inputImage(90, 70, 'jpeg'), 'x', 'image/jpeg');
		delete data.fileName;
		const { items } = await runEdit(server, [{ json: {}, binary: { data } }]);
		expect(server.requests[0].file?.name).toBe('image.jpg');
		expect(items[0].json.fileName).toBe('image-edited-1.png');
	});

	test('Edit finds the size of a photo behind 300 KB of camera data', async () => {
		const photo = await inputImage(200, 100, 'jpeg');
		const segment = Buffer.alloc(60_004);
		segment.writeUInt16BE(0xffe2, 0);
		segment.writeUInt16BE(60_002, 2);
		const image = Buffer.concat([
			photo.subarray(0, 2),
			...Array<Buffer>(5).fill(segment),
			photo.subarray(2),
		]);
		const { items, error } = await runEdit(server, [
			await itemWithFile(image, 'photo.jpg', 'image/jpeg'),
		]);
		expect(error?.message).toBeUndefined();
		expect([items[0].json.width, items[0].json.height]).toEqual([200, 100]);
	});
});

describe('Edit: sizes', () => {
	test.each([
		[64, 64],
		[333, 77],
		[1, 1],
		[4096, 40],
	])('step-image-edit-2 gives %i x %i back in the same size', async (width, height) => {
		const { items } = await runEdit(server, [await itemWithFile(await inputImage(width, height))]);
		expect([items[0].json.width, items[0].json.height]).toEqual([width, height]);
	});

	test.each([
		['', 100, 100, 512, 512],
		['768x768', 200, 200, 768, 768],
		['1024x1024', 64, 64, 1024, 1024],
		['512x512', 300, 100, 888, 296],
		['768x768', 100, 300, 440, 1328],
	])('step-1x-edit with size %j makes %i x %i into %i x %i', async (...row) => {
		const [size, inWidth, inHeight, width, height] = row;
		const item = await itemWithFile(await inputImage(inWidth, inHeight));
		const { items } = await runEdit(server, [item], { model: 'step-1x-edit', size });
		expect([items[0].json.width, items[0].json.height]).toEqual([width, height]);
		expect(sentFields(server)?.size).toBe(size === '' ? undefined : size);
	});
});

describe('Edit: images at a limit are accepted', () => {
	test('step-image-edit-2 edits an image of 4096 x 4096 pixels', async () => {
		const { error } = await runEdit(server, [await itemWithFile(await inputImage(4096, 4096))], {
			output: 'url',
		});
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].status).toBe(200);
	});

	test.each([
		[64, 64],
		[64, 192],
		[192, 64],
		[4096, 1366],
	])('step-1x-edit edits an image of %i x %i pixels', async (width, height) => {
		const item = await itemWithFile(await inputImage(width, height));
		const { error } = await runEdit(server, [item], { model: 'step-1x-edit', output: 'url' });
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].status).toBe(200);
	});

	test('step-1x-edit edits an image of 10 MB', async () => {
		const image = await pngOfBytes(10 * MEGABYTE);
		expect(image).toHaveLength(10 * MEGABYTE);
		const { error } = await runEdit(server, [await itemWithFile(image)], {
			model: 'step-1x-edit',
		});
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
		expect(server.requests[0].status).toBe(200);
	});
});

describe('Edit: images beyond a limit never leave n8n', () => {
	const refusals: Array<
		[
			string,
			string,
			() => Promise<Buffer>,
			{ fileName?: string; mimeType?: string },
			string,
			string,
		]
	> = [
		[
			'step-image-edit-2',
			'4097 pixels wide',
			async () => await inputImage(4097, 10),
			{},
			"The image in 'data' is too large: 4097 × 10 pixels",
			'step-image-edit-2 takes images of at most 4096 × 4096 pixels.',
		],
		[
			'step-1x-edit',
			'4097 pixels high',
			async () => await inputImage(2000, 4097),
			{},
			"The image in 'data' is too large: 2000 × 4097 pixels",
			'step-1x-edit takes images of at most 4096 × 4096 pixels.',
		],
		[
			'step-1x-edit',
			'63 pixels high',
			async () => await inputImage(100, 63),
			{},
			"The image in 'data' is too small: 100 × 63 pixels",
			'step-1x-edit takes images whose sides are at least 64 pixels.',
		],
		[
			'step-1x-edit',
			'more than 3 times as wide as high',
			async () => await inputImage(301, 100),
			{},
			"The image in 'data' is too narrow: 301 × 100 pixels",
			'step-1x-edit takes proportions from 1:3 to 3:1.',
		],
		[
			'step-1x-edit',
			'more than 3 times as high as wide',
			async () => await inputImage(100, 301),
			{},
			"The image in 'data' is too narrow: 100 × 301 pixels",
			'step-1x-edit takes proportions from 1:3 to 3:1.',
		],
		[
			'step-1x-edit',
			'a GIF',
			async () => await inputImage(100, 100, 'gif'),
			{ fileName: 'shoe.gif', mimeType: 'image/gif' },
			"The image in 'data' is GIF, which step-1x-edit does not take",
			'step-1x-edit takes JPEG, PNG, WebP.',
		],
		[
			'step-1x-edit',
			'12 MB',
			async () => await pngOfBytes(12 * MEGABYTE),
			{},
			"The image in 'data' is too large: 12582912 bytes",
			'step-1x-edit takes images of at most 10485760 bytes (10 MB).',
		],
		[
			'step-image-edit-2',
			'a text that claims to be a PNG',
			async () => Buffer.from('This is not a picture, whatever it says.'),
			{},
			"The file in 'data' is not an image that can be edited",
			'Its type is image/png, and its content is not a PNG, JPEG, WebP or other raster image.',
		],
		[
			'step-image-edit-2',
			'an SVG',
			async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80"/>'),
			{ fileName: 'shoe.svg', mimeType: 'image/svg+xml' },
			"The file in 'data' is not an image that can be edited",
			'Its type is image/svg+xml, and its content is not',
		],
		[
			'step-image-edit-2',
			'an empty file',
			async () => Buffer.alloc(0),
			{},
			"The file in 'data' is empty",
			'Check what the previous node puts into this field',
		],
		[
			'step-image-edit-2',
			'the first 20 bytes of a PNG',
			async () => (await inputImage(64, 64)).subarray(0, 20),
			{},
			"The image in 'data' breaks off in the middle",
			'It was cut off on its way',
		],
	];

	describe.each(['filesystem', 'default'] as const)('Edit: limits, mode %s', (binaryMode) => {
		test.each(refusals)('%s refuses: %s', async (model, _, makeImage, claims, message, advice) => {
			const { fileName = 'shoe.png', mimeType = 'image/png' } = claims;
			const data = await storeFile(await makeImage(), fileName, mimeType, binaryMode);
			const { error } = await runEdit(
				server,
				[{ json: {}, binary: { data } }],
				{ model },
				{
					binaryMode,
				},
			);
			expect(error?.message).toBe(message);
			expect(error?.description).toContain(advice);
			expect(error?.context.itemIndex).toBe(0);
			expect(server.requests).toEqual([]);
		});
	});

	test('The message for an image of one byte over 10 MB shows that it exceeds the limit', async () => {
		const image = await pngOfBytes(10 * MEGABYTE + 1);
		const { error } = await runEdit(server, [await itemWithFile(image)], { model: 'step-1x-edit' });
		expect(server.requests).toEqual([]);
		expect(error?.message).toMatch(/^The image in 'data' is too large: /);
		expect(error?.message).not.toBe("The image in 'data' is too large: 10.0 MB");
	});
});

describe('Edit: no image to edit', () => {
	test('Edit names the fields that the item has when the input field does not exist', async () => {
		const { error } = await runEdit(server, [await itemWithFile(await inputImage(9, 9))], {
			binaryPropertyName: 'photo',
		});
		expect(error?.message).toBe(
			"'Input Data Field Name' is 'photo', but this item has no such binary field",
		);
		expect(error?.description).toBe('The item has: data. Enter one of these names.');
		expect(server.requests).toEqual([]);
	});

	test('Edit says so when the item has no binary data', async () => {
		const { error } = await runEdit(server, [{ json: { data: 'text' } }]);
		expect(error?.message).toBe(
			"'Input Data Field Name' is 'data', but this item has no such binary field",
		);
		expect(error?.description).toMatch(/^The item has no binary data\. Load the image/);
		// Edit Fields does so by default.
		expect(error?.description).toContain('no node in between, such as Edit Fields, drops its file');
		expect(server.requests).toEqual([]);
	});

	(COMBINES_BINARY ? test : test.skip)(
		'In combined binary mode the message about a missing input field says where the files are',
		async () => {
			const photo = await storeFile(await inputImage(9, 9), 'shoe.png', 'image/png');
			const { error } = await runEdit(
				server,
				[{ json: { _files: { photo } } as never }],
				{},
				{ combineBinary: true },
			);
			expect(error?.message).toBe(
				"'Input Data Field Name' is 'data', but this item has no such binary field",
			);
			expect(error?.description).toContain('_files.photo');
			expect(server.requests).toEqual([]);
		},
	);
});
