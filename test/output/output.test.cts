import type { IBinaryData } from 'n8n-workflow';
import sharp from 'sharp';

import { inputImage, itemWithFile } from '../kit/images.cts';
import { COMBINES_BINARY, READS_BROKEN_DOWNLOADS } from '../kit/n8nDifferences.cts';
import { bytesOf } from '../kit/runNode.cts';
import {
	startStepFunServer,
	type JsonSpelling,
	type ResultFault,
	type StepFunServer,
} from '../stepfun-server/server.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});

beforeEach(() => {
	server.setFaults([]);
	server.setResultFaults([]);
	server.reset();
});

afterAll(async () => await server.close());

describe('Output: the fields of an item', () => {
	test('Image File returns the details in json and the image in binary, and no link', async () => {
		const before = Math.floor(Date.now() / 1000);
		const { items } = await runGenerate(server, { size: '1360x768', options: { seed: 77 } });
		const [bytes] = server.sentImages;

		expect(items).toHaveLength(1);
		const { created, ...json } = items[0].json;
		expect(json).toEqual({
			prompt: 'A red shoe',
			model: 'step-image-edit-2',
			seed: 77,
			finishReason: 'success',
			width: 1360,
			height: 768,
			fileName: 'a-red-shoe-1.png',
			mimeType: 'image/png',
			fileSize: bytes.length,
			id: server.billed[0].id,
			traceId: server.requests[0].traceId,
			tries: 1,
		});
		expect(Date.parse(String(created)) / 1000).toBeGreaterThanOrEqual(before);
		expect(items[0].binary?.data).toMatchObject({
			fileName: 'a-red-shoe-1.png',
			mimeType: 'image/png',
			fileExtension: 'png',
			fileType: 'image',
		});
		expect((await bytesOf(items[0].binary?.data)).equals(bytes)).toBe(true);
		expect(server.resultRequests).toEqual([]);
	});

	test('Image URL returns the link, and downloads nothing', async () => {
		const { items } = await runGenerate(server, { output: 'url', options: { seed: 77 } });
		const { created, url, ...json } = items[0].json;
		expect(json).toEqual({
			prompt: 'A red shoe',
			model: 'step-image-edit-2',
			seed: 77,
			finishReason: 'success',
			id: server.billed[0].id,
			traceId: server.requests[0].traceId,
			tries: 1,
		});
		expect(created).toMatch(/^20\d\d-\d\d-\d\dT.*Z$/);
		expect(items[0].binary).toBeUndefined();
		expect(server.resultRequests).toEqual([]);

		const response = await fetch(String(url));
		expect(Buffer.from(await response.arrayBuffer()).equals(server.sentImages[0])).toBe(true);
	});

	test('Image File and URL returns both, and the other host never receives the key', async () => {
		const { items } = await runGenerate(server, { output: 'fileAndUrl' });
		const { url, width, height, fileSize } = items[0].json;
		expect(String(url).startsWith(`${server.resultOrigin}/image_gen/`)).toBe(true);
		expect([width, height, fileSize]).toEqual([1024, 1024, server.sentImages[0].length]);
		expect((await bytesOf(items[0].binary?.data)).equals(server.sentImages[0])).toBe(true);

		expect(server.resultRequests).toHaveLength(1);
		const [download] = server.resultRequests;
		expect([download.method, download.status]).toEqual(['GET', 200]);
		expect(download.hadAuthorization).toBe(false);
		expect(JSON.stringify(download.headers)).not.toContain('local-stepfun-key');
	});

	test('The seed of an item is the one that was used, even if the service chose it', async () => {
		const { items } = await runGenerate(server, {});
		expect(items[0].json.seed).toBe(server.billed[0].seed);
	});
});

describe('Output: Include Input Fields', () => {
	test('Include Input Fields keeps JSON and files beside the result', async () => {
		const item = await itemWithFile(await inputImage(80, 60));
		const { items } = await runEdit(server, [{ ...item, json: { sku: 'A1', seed: 'own' } }], {
			outputField: 'edited',
			options: { includeInputFields: true, seed: 5 },
		});
		expect(items[0].json).toMatchObject({ sku: 'A1', seed: 5, finishReason: 'success' });
		expect(Object.keys(items[0].binary ?? {})).toEqual(['data', 'edited']);
	});
});

describe('Output: Put Output File in Field', () => {
	test.each(['image', 'my picture', ' padded '])(
		'Put Output File in Field accepts the name %j',
		async (outputField) => {
			const { items } = await runGenerate(server, { outputField });
			expect(Object.keys(items[0].binary ?? {})).toEqual([outputField.trim()]);
		},
	);

	test('Put Output File in Field may come from the item', async () => {
		const { items } = await runGenerate(
			server,
			{ outputField: '={{ $json.field }}' },
			{ items: [{ field: 'front' }, { field: 'back' }] },
		);
		expect(items.map(({ binary }) => Object.keys(binary ?? {}))).toEqual([['front'], ['back']]);
	});
});

describe('Output: formats that the server may send', () => {
	test.each([
		['png', 'image/png', 'a-red-shoe-1.png'],
		['jpeg', 'image/jpeg', 'a-red-shoe-1.jpg'],
		['webp', 'image/webp', 'a-red-shoe-1.webp'],
	] as const)('A server that sends %s', async (format, mimeType, fileName) => {
		const other = await startStepFunServer({ image: { format } });
		for (const output of ['file', 'fileAndUrl']) {
			const { items } = await runGenerate(other, { output, size: '1184x896' });
			const bytes = await bytesOf(items[0].binary?.data);
			expect(bytes.equals(other.sentImages.at(-1)!)).toBe(true);
			expect((await sharp(bytes).metadata()).format).toBe(format);
			expect(items[0].json).toMatchObject({ mimeType, fileName, width: 1184, height: 896 });
			expect(items[0].binary?.data).toMatchObject({ mimeType, fileName });
		}
		await other.close();
	});

	test('The type of an output file is that of the bytes, whatever the download claims', async () => {
		server.setResultFaults([{ fault: { contentType: 'application/octet-stream' } }]);
		const { items } = await runGenerate(server, { output: 'fileAndUrl' });
		expect(items[0].binary?.data.mimeType).toBe('image/png');
	});

	test.each([100_000, 3_000_001, 8_000_002])(
		'Images of %i bytes arrive completely',
		async (bytes) => {
			const large = await startStepFunServer({ image: { bytes }, drawing: 'once' });
			for (const output of ['file', 'fileAndUrl']) {
				const { items } = await runGenerate(large, { output });
				const [sent] = large.sentImages;
				expect(sent.length).toBeGreaterThan(bytes * 0.9);
				expect(items[0].json.fileSize).toBe(sent.length);
				expect((await bytesOf(items[0].binary?.data)).equals(sent)).toBe(true);
			}
			await large.close();
		},
	);
});

describe('Output: spellings of the JSON', () => {
	const spellings: JsonSpelling[] = [
		'compact',
		'pretty',
		'whitespace',
		'escaped-slashes',
		'image-first',
		'image-last',
	];

	test.each(spellings)('A response in the form %s means the same', async (jsonSpelling) => {
		const other = await startStepFunServer({ drawing: 'once', jsonSpelling });
		for (const output of ['file', 'url', 'fileAndUrl']) {
			other.reset();
			const { items, error } = await runGenerate(other, { output, options: { seed: 5 } });
			expect(error?.message).toBeUndefined();
			expect(items[0].json).toMatchObject({
				seed: 5,
				finishReason: 'success',
				id: other.billed[0].id,
			});
			expect(items[0].json.created).toMatch(/^20\d\d-\d\d-\d\dT.*Z$/);
			expect(typeof items[0].json.url).toBe(output === 'file' ? 'undefined' : 'string');
			if (output === 'url') expect(items[0].binary).toBeUndefined();
			else expect((await bytesOf(items[0].binary?.data)).equals(other.sentImages[0])).toBe(true);
		}
		await other.close();
	});
});

describe('Output: where n8n keeps the file', () => {
	test('In the binary mode filesystem the execution data holds a reference', async () => {
		const { items } = await runGenerate(server, {}, { binaryMode: 'filesystem' });
		const file = items[0].binary?.data as IBinaryData;
		expect(file.id).toMatch(/^filesystem-v2:/);
		expect(file.data).toBe('filesystem-v2');
		expect((await bytesOf(file)).equals(server.sentImages[0])).toBe(true);
	});

	test('In the binary mode default the execution data holds the file', async () => {
		const { items } = await runGenerate(server, {}, { binaryMode: 'default' });
		const file = items[0].binary?.data as IBinaryData;
		expect(file.id).toBeUndefined();
		expect(Buffer.from(file.data, 'base64').equals(server.sentImages[0])).toBe(true);
	});

	(COMBINES_BINARY ? test : test.skip)('In combined mode the file stands in the json', async () => {
		const { items } = await runGenerate(server, {}, { combineBinary: true });
		expect(items[0].binary).toBeUndefined();
		const { data } = items[0].json._files as unknown as Record<string, IBinaryData>;
		expect(data).toMatchObject({ mimeType: 'image/png', fileName: 'a-red-shoe-1.png' });
		expect((await bytesOf(data)).equals(server.sentImages[0])).toBe(true);
	});

	(COMBINES_BINARY ? test : test.skip)(
		'In combined binary mode, Edit accepts what Generate returns',
		async () => {
			const generated = await runGenerate(server, { size: '1360x768' }, { combineBinary: true });
			const { items, error } = await runEdit(
				server,
				[{ json: generated.items[0].json }],
				{ binaryPropertyName: '_files.data' },
				{ combineBinary: true },
			);
			expect(error?.message).toBeUndefined();
			expect(server.requests[1].file?.bytes.equals(server.sentImages[0])).toBe(true);
			expect([items[0].json.width, items[0].json.height]).toEqual([1360, 768]);
		},
	);
});

describe('Output: the download of Image File and URL fails', () => {
	const atOnce = { output: 'fileAndUrl', options: { maxTries: 1, giveUpAfter: 0 } };

	test.each<[string, ResultFault, string, string | null]>([
		['404', { status: 404 }, 'Error 404', '404'],
		['500', { status: 500 }, 'responded with status 500: Error 500', '500'],
		[
			'text instead of a picture',
			{ notAnImage: true },
			'sent something that is not an image: This is text where an image should be.',
			'200',
		],
		['nothing', { emptyBody: true }, 'The file is empty', '200'],
		['dropped before the response', { drop: 'before-response' }, 'failed: socket hang up', null],
		[
			'half of the picture',
			{ cutBody: true },
			'The connection broke while the response was arriving',
			'200',
		],
	])(
		'The error of a download that fails with %s contains the link, since the image was paid for',
		async (_, fault, reason, httpCode) => {
			server.setResultFaults([{ fault }]);
			const { error, items } = await runGenerate(server, atOnce);
			expect(error?.message).toMatch(/^The image was made, but could not be downloaded: /);
			expect(error?.message).toContain(reason);
			expect(error?.description).toContain(`${server.resultOrigin}/image_gen/`);
			expect(error?.description).toContain('The image has been charged');
			expect(error?.httpCode ?? null).toBe(httpCode);
			expect(error?.context.itemIndex).toBe(0);
			expect(items).toEqual([]);
			expect(server.billed).toHaveLength(1);
		},
	);

	(READS_BROKEN_DOWNLOADS ? test : test.skip)(
		'A whole picture is kept although the server announced more',
		async () => {
			server.setResultFaults([{ fault: { wrongContentLength: 1000 } }]);
			const { error, items } = await runGenerate(server, atOnce);
			expect(error?.message).toBeUndefined();
			expect((await bytesOf(items[0].binary?.data)).equals(server.sentImages[0])).toBe(true);
			expect(server.resultRequests).toHaveLength(1);
		},
	);

	test('A failed download of the only image of a run does not mention other lost images', async () => {
		server.setResultFaults([{ fault: { status: 404 } }]);
		const { error } = await runGenerate(server, atOnce);
		expect(error?.description).toContain('The image has been charged');
		expect(error?.description).not.toContain('n8n discards');
	});

	test('The error of a broken download names its host, not the API', async () => {
		server.setResultFaults([{ fault: { drop: 'before-response' } }]);
		const { error } = await runGenerate(server, atOnce);
		expect(error?.message).toContain(new URL(server.resultOrigin).host);
		expect(error?.message).not.toContain(new URL(server.origin).host);
	});

	test('The error of an expired link names the link, not the API', async () => {
		const short = await startStepFunServer({ drawing: 'once', urlLifetimeMs: 0 });
		const { error } = await runGenerate(short, atOnce);
		await short.close();
		expect(error?.message).toContain('Request has expired');
		expect(error?.message).not.toContain('This key may not use the model');
	});

	test('A missing file is not reported as a missing API endpoint', async () => {
		server.setResultFaults([{ fault: { status: 404 } }]);
		const { error } = await runGenerate(server, atOnce);
		expect(error?.message).not.toContain('/images/generations');
	});

	test('A slow download ends with the timeout', async () => {
		server.setResultFaults([{ fault: { hang: true } }]);
		const { error } = await runGenerate(server, {
			output: 'fileAndUrl',
			options: { maxTries: 1, timeout: 0.3 },
		});
		expect(error?.message).toContain('did not send the whole file within 0.3 seconds');
	});

	test('An image whose download fails is downloaded again, but never requested again', async () => {
		server.setResultFaults([{ times: 1, fault: { status: 503, retryAfter: 0.01 } }]);
		const { items } = await runGenerate(server, { output: 'fileAndUrl' });
		expect((await bytesOf(items[0].binary?.data)).equals(server.sentImages[0])).toBe(true);
		expect([server.requests.length, server.resultRequests.length]).toEqual([1, 2]);
	});
});
