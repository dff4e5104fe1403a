import { randomBytes } from 'node:crypto';

import type { INodeExecutionData } from 'n8n-workflow';

import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage, itemWithFile } from '../kit/images.cts';
import { runEdit } from '../kit/localRuns.cts';
import { isShown } from '../kit/n8nDifferences.cts';
import {
	LOCAL_API_KEY,
	startStepFunServer,
	type StepFunServer,
} from '../stepfun-server/server.cts';

let server: StepFunServer;
let files: HostileServer;
let image: Buffer;
let failures = 0;

beforeAll(async () => {
	server = await startStepFunServer();
	image = await inputImage(120, 90);
	files = await startHostileServer();
});
beforeEach(() => {
	failures = 0;
	files.attackWith(({ url }, response) => {
		if (failures-- > 0) response.writeHead(503).end();
		// A plain proxy is sent the whole address.
		else if (url?.endsWith('.png') && url !== '/missing.png') response.end(image);
		else if (url === '/page') response.end('<html>Please log in</html>');
		else if (url === '/endless') response.end(Buffer.alloc(70 * 1024 * 1024));
		else response.writeHead(404).end('no such file');
	});
});
afterEach(() => server.reset());
afterAll(async () => {
	await files.close();
	await server.close();
});

const fromUrl = async (inputUrl: string, options = {}) =>
	await runEdit(server, [{ json: {} }], { inputSource: 'url', inputUrl, options });

describe('Edit: an image from a URL', () => {
	test('An image from a URL is downloaded without the key and uploaded byte for byte', async () => {
		const { items, error } = await fromUrl(`${files.origin}/shoe.png`);
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file).toEqual({ name: 'shoe.png', type: 'image/png', bytes: image });
		expect(items[0].json).toMatchObject({ width: 120, height: 90, fileName: 'shoe-edited-1.png' });
		expect(files.requests).toHaveLength(1);
		expect(JSON.stringify(files.requests[0].headers)).not.toContain(LOCAL_API_KEY);
	});

	test.each([
		['/Schuh%20gr%C3%BCn.png', 'Schuh grün.png', 'schuh-grün-edited-1.png'],
		['/o/folder%2Fshoe.png', 'shoe.png', 'shoe-edited-1.png'],
		['/50%-off.png', '50%-off.png', '50-off-edited-1.png'],
	])('The image at %s is named %s', async (path, uploaded, result) => {
		const { items, error } = await fromUrl(`${files.origin}${path}`);
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.name).toBe(uploaded);
		expect(items[0].json.fileName).toBe(result);
	});

	test('A data URI as Image URL is the image itself', async () => {
		const uri = `data:image/png;base64,${image.toString('base64')}`;
		const { error } = await fromUrl(`={{ ${JSON.stringify(uri)} }}`);
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
		expect(files.requests).toEqual([]);
	});

	test('A data URI as Image URL that contains no image is refused by the label of its field', async () => {
		const { error } = await fromUrl('data:image/png;base64,AAAA');
		expect(error?.message).toBe("'Image URL' does not contain an image that can be edited");
		expect(server.requests).toEqual([]);
	});

	test('The download of an input image is retried if that can help', async () => {
		failures = 1;
		const { error } = await fromUrl(`${files.origin}/shoe.png`);
		expect(error?.message).toBeUndefined();
		expect(files.requests).toHaveLength(2);
		expect(server.requests).toHaveLength(1);
	});

	test('A request that is sent again does not wait for all other items', async () => {
		const fault = { status: 429, retryAfter: 1 };
		server.setFaults([{ when: { promptIncludes: 'Row 3.' }, times: 1, fault }]);
		const { error } = await runEdit(
			server,
			Array.from({ length: 20 }, (_, row) => ({ json: { prompt: `Row ${row}.` } })),
			{
				prompt: '={{ $json.prompt }}',
				inputSource: 'url',
				inputUrl: `${files.origin}/shoe.png`,
			},
			{ credential: { concurrentRequests: 1 } },
		);
		expect(error?.message).toBeUndefined();
		const prompts = server.requests.map(({ fields }) => fields?.prompt);
		expect(prompts).toHaveLength(21);
		expect(prompts.lastIndexOf('Row 3.')).toBeLessThan(10);
	});

	test.each([
		['/missing.png', "The image at 'Image URL' could not be downloaded: 127.0.0.1:"],
		['/page', "The file at 'Image URL' is not an image that can be edited"],
		['/endless', "The image at 'Image URL' could not be downloaded: the file is larger than"],
	])(
		'An Image URL that leads to %s fails with a message that says so, and nothing is sent to the service',
		async (path, message) => {
			const { error } = await fromUrl(`${files.origin}${path}`);
			expect(error?.message).toContain(message);
			expect(error?.context.itemIndex).toBe(0);
			expect(error?.httpCode ?? '').not.toMatch(/\d/);
			expect(server.requests).toEqual([]);
		},
	);

	test('A page that only shows the image, such as a share link, is explained', async () => {
		const { error } = await fromUrl(`${files.origin}/page`);
		expect(error?.description).toContain(
			'most likely a web page that shows the image or asks for a login. Enter the address of the file itself',
		);
	});

	test('An input image that is missing does not end the run for other items', async () => {
		const { items } = await runEdit(
			server,
			[{ json: { file: 'missing.png' } }, { json: { file: 'shoe.png' } }],
			{ inputSource: 'url', inputUrl: `=${files.origin}/{{ $json.file }}` },
			{ onError: 'continueRegularOutput', credential: { concurrentRequests: 1 } },
		);
		// The 404 is the other host's; the image service was not asked.
		expect(items[0].json.details).toMatchObject({ httpCode: null });
		expect(items[1].json.finishReason).toBe('success');
	});

	test.each([
		'={{ "" }}',
		'shoe.png',
		'ftp://example.com/shoe.png',
		'file:///etc/passwd',
		'https://',
	])('The Image URL %p is refused', async (inputUrl) => {
		const { error } = await fromUrl(inputUrl);
		expect(error?.message).toMatch(
			/^'Image URL' must be an address that starts with https:\/\/ or http:\/\//,
		);
		expect(server.requests).toEqual([]);
	});
});

describe('Edit: an image as Base64 text', () => {
	const fromText = async (inputText: string) =>
		await runEdit(server, [{ json: { image: inputText } }], {
			inputSource: 'text',
			inputText: '={{ $json.image }}',
		});

	test.each([
		['Base64', () => image.toString('base64')],
		['a data URI', () => `data:image/jpeg;base64,${image.toString('base64')}`],
		['a data URI in capitals', () => `DATA:IMAGE/PNG;BASE64,${image.toString('base64')}`],
		['Base64 in lines', () => image.toString('base64').replace(/.{76}/g, '$&\r\n')],
		[
			'Base64 whose line breaks became spaces',
			() => image.toString('base64').replace(/.{76}/g, '$& '),
		],
		['Base64 in lines with spaces', () => image.toString('base64').replace(/.{76}/g, '  $& \n')],
	])('An image as %s is uploaded with its own type, not the claimed one', async (_form, text) => {
		const { error } = await fromText(text());
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file).toEqual({
			name: 'image.png',
			type: 'image/png',
			bytes: image,
		});
	});

	test('A large image is uploaded', async () => {
		const large = Buffer.concat([image, randomBytes(12_000_001)]);
		const { error } = await fromText(large.toString('base64'));
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.bytes.equals(large)).toBe(true);
	});

	test('Long white space is searched in linear time', async () => {
		const text = image.toString('base64');
		const startedAt = performance.now();
		const { error } = await fromText(`${text.slice(0, 80)}${' '.repeat(300_000)}${text.slice(80)}`);
		expect(error?.message).toBe("'Base64 Text' is not valid Base64");
		expect(performance.now() - startedAt).toBeLessThan(5_000);
	});

	test.each([
		['', "'Base64 Text' is empty"],
		['a red shoe', "'Base64 Text' does not contain an image that can be edited"],
	])('The Base64 Text %p is refused', async (text, message) => {
		const { error } = await fromText(text);
		expect(error?.message).toBe(message);
		expect(server.requests).toEqual([]);
	});

	test.each([0.02, 0.5, 0.99])(
		'Base64 Text that breaks off after %d of the image is refused',
		async (part) => {
			const base64 = (await inputImage(400, 300)).toString('base64');
			const { error } = await fromText(base64.slice(0, base64.length * part));
			expect(error?.message).toBe("The image in 'Base64 Text' breaks off in the middle");
			expect(server.requests).toEqual([]);
		},
	);
});

describe('Edit: an expression that chooses the source', () => {
	test.each([
		['binary', () => ({})],
		['url', () => ({ inputUrl: `${files.origin}/shoe.png` })],
		['text', () => ({ inputText: image.toString('base64') })],
	])('%s needs only the field of this source', async (source, fields) => {
		const { error } = await runEdit(
			server,
			[{ ...(await itemWithFile(image)), json: { source } }],
			{
				inputSource: '={{ $json.source }}',
				...fields(),
			},
		);
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
	});

	test.each([
		['binary', 'binaryPropertyName'],
		['url', 'inputUrl'],
		['text', 'inputText'],
	])('%s that is chosen in the panel requires its field alone', (inputSource, name) => {
		const { description } = new StepFunImage();
		const parameters = { resource: 'image', operation: 'edit', inputSource };
		const shown = description.properties.filter((each) => isShown(parameters, each, description));
		const fields = shown.filter((each) =>
			/^(binaryPropertyName|inputUrl|inputText)$/.test(each.name),
		);
		expect(fields).toEqual([expect.objectContaining({ name, required: true })]);
	});
});

test('No error shows the login in an Image URL', async () => {
	const address = `http://shop:open-sesame@127.0.0.1:${files.port}/missing.png`;
	const { error } = await fromUrl(address);
	expect(error?.description).toContain(`Check that ${files.origin}/missing.png opens`);
	expect(`${error?.message} ${error?.description}`).not.toContain('open-sesame');
});

describe('Edit: fields without a file', () => {
	const withBinary = (binary: unknown) => ({ json: {}, binary }) as INodeExecutionData;
	const edit = async (item: INodeExecutionData, binaryPropertyName: string) =>
		await runEdit(server, [item], { binaryPropertyName });

	test.each(['constructor', '__proto__', 'toString'])(
		'%s, which every object has, is refused as a field that the item does not have',
		async (field) => {
			const { error } = await edit(await itemWithFile(image), field);
			expect(error?.message).toBe(
				`'Input Data Field Name' is '${field}', but this item has no such binary field`,
			);
			expect(error?.description).toBe('The item has: data. Enter one of these names.');
		},
	);

	test.each([null, {}, 5])('A field that holds %j is refused', async (file) => {
		const { error } = await edit(withBinary({ data: file }), 'data');
		expect(error?.message).toBe(
			"'Input Data Field Name' is 'data', but this item has no such binary field",
		);
	});

	test('A file without a type is an image for * only if it contains one', async () => {
		const ofText = (text: Buffer) => withBinary({ data: { data: text.toString('base64') } });
		expect((await edit(ofText(image), '*')).error?.message).toBeUndefined();
		const { error } = await edit(ofText(Buffer.from('a note')), '*');
		expect(error?.message).toBe("'Input Data Field Name' is *, but this item has no image");
		expect(error?.description).toContain(
			'no node in between, such as Edit Fields, drops its files',
		);
		expect(server.requests).toHaveLength(1);
	});

	test.each([undefined, ''])(
		'A file of the type %p that is no image claims nothing',
		async (type) => {
			const data = Buffer.from('a note').toString('base64');
			const { error } = await edit(withBinary({ data: { data, mimeType: type } }), 'data');
			expect(error?.description).toMatch(
				/^Its content is not a PNG, JPEG, WebP or other raster image/,
			);
		},
	);

	test('The error names a file that n8n no longer has', async () => {
		const item = await itemWithFile(image);
		item.binary!.data.id = 'filesystem-v2:workflows/a/executions/b/binary_data/c';
		const { error } = await edit(item, 'data');
		expect(error?.message).toMatch(/^The file in 'data' could not be opened: /);
		expect(error?.description).toContain('Rerun the node that loads the file.');
		expect(error?.context.itemIndex).toBe(0);
	});

	test('A file without a name gets one, since a form would send it as text', async () => {
		const item = await itemWithFile(image);
		item.binary!.data.fileName = '';
		await edit(item, 'data');
		expect(server.requests[0].file?.name).toBe('image.png');
	});

	test.each([
		['a Buffer in JSON', { data: { type: 'Buffer', data: [137, 80] } }],
		['nothing', { data: null }],
		['a number as its ID', { data: 'filesystem-v2', id: 5 }],
	])('A file from an expression that contains %s is no file', async (_what, file) => {
		const item = {
			...(await itemWithFile(image)),
			json: { file: { mimeType: 'image/png', ...file } },
		};
		const { error } = await edit(item, '={{ $json.file }}');
		expect(error?.message).toMatch(
			/^'Input Data Field Name' is '\{"mimeType":"image\/png".*, but this item has no such binary field$/,
		);
		expect(server.requests).toEqual([]);
	});

	test('A file from an expression needs no more than its ID and type', async () => {
		const item = await itemWithFile(image);
		const { id, mimeType } = item.binary!.data;
		const { error } = await edit(
			{ ...item, json: { file: { id, mimeType } } },
			'={{ $json.file }}',
		);
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file?.bytes.equals(image)).toBe(true);
	});

	test('An expression may give a list of names', async () => {
		const { data } = (await itemWithFile(image)).binary!;
		const { error } = await edit(
			withBinary({ front: data, back: data }),
			'={{ Object.keys($binary) }}',
		);
		expect(error?.message).toBeUndefined();
		expect(server.requests).toHaveLength(2);
	});
});

test.each(['URL', 'base64', null])(
	"Another value of 'Input Image From', such as %j, is refused instead of editing the file",
	async (source) => {
		const { binary } = await itemWithFile(image);
		const { error } = await runEdit(server, [{ json: { source }, binary }], {
			inputSource: '={{ $json.source }}',
			inputUrl: 'https://images.example/a.png',
			inputText: 'text',
			binaryPropertyName: 'data',
		});
		expect(error?.message).toBe(
			`'Input Image From' must be one of binary, url, text, but is ${String(source)}`,
		);
		expect(server.requests).toEqual([]);
	},
);
