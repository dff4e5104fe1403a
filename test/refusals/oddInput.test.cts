import type { INodeExecutionData, INodeParameters } from 'n8n-workflow';
import sharp from 'sharp';

import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage, itemWithFile } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { SIGNS_LINKS } from '../kit/n8nDifferences.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

/** Follows StepFun's documentation. */
let stepFun: StepFunServer;
/** Accepts everything, and responds with an image. */
let lax: HostileServer;
let picture: Buffer;

beforeAll(async () => {
	stepFun = await startStepFunServer({ drawing: 'once' });
	picture = await inputImage(64, 64);
	lax = await startHostileServer();
});
beforeEach(() => {
	stepFun.reset();
	lax.attackWith(({ method }, response) =>
		response.end(
			method === 'GET'
				? picture
				: JSON.stringify({ data: [{ b64_json: picture.toString('base64') }] }),
		),
	);
});
afterAll(async () => {
	await stepFun.close();
	await lax.close();
});

const bodies = () => lax.requests.map(({ body }) => body.toString());
const json = () => bodies().map((body) => JSON.parse(body) as Record<string, unknown>);
const uploads = () =>
	lax.requests.map(({ body }) => {
		const text = body.toString('latin1');
		const start = text.indexOf('\r\n\r\n', text.indexOf('filename=')) + 4;
		return Buffer.from(text.slice(start, text.lastIndexOf('\r\n--')), 'latin1');
	});

describe('Max Images per Run and On Error', () => {
	test.each(['continueRegularOutput', 'continueErrorOutput'] as const)(
		'%s: every item fails, and none passes as a result',
		async (onError) => {
			const { items, errorItems, error } = await runGenerate(
				stepFun,
				{ options: { maxImagesPerRun: 1 } },
				{ items: [{ sku: 1 }, { sku: 2 }], onError },
			);
			expect(error).toBeUndefined();
			const [failed, others] =
				onError === 'continueErrorOutput' ? [errorItems, items] : [items, errorItems];
			expect(others).toEqual([]);
			expect(
				failed.map(({ json: { error: message }, pairedItem }) => [message, pairedItem]),
			).toEqual(
				[0, 1].map((item) => [expect.stringContaining("'Max Images per Run' is 1"), { item }]),
			);
			expect(stepFun.requests).toEqual([]);
		},
	);

	test('Continue in a tool: the agent reads the refusal', async () => {
		const { items } = await runGenerate(
			stepFun,
			{ output: 'url', options: { numberOfImages: 2, maxImagesPerRun: 1 } },
			{ asTool: true, onError: 'continueRegularOutput', items: [{ prompt: 'A red shoe' }] },
		);
		expect(items[0].json.error).toContain('Max Images per Run');
	});
});

describe('Damaged Base64 Text is not uploaded', () => {
	const images = async (format: 'png' | 'webp') =>
		await Promise.all(
			Array.from({ length: 12 }, async (_each, seed) => {
				const width = 100 + seed;
				const pixels = Array.from(
					{ length: width * 64 * 3 },
					(_pixel, at) => (at * at * (seed + 3) + ((at >> 5) % 97) * 13) % 256,
				);
				const image = sharp(Buffer.from(pixels), { raw: { width, height: 64, channels: 3 } });
				return await (format === 'png' ? image.png() : image.webp()).toBuffer();
			}),
		);

	test.each<[string, 'png' | 'webp', (text: string) => string]>([
		['a PNG whose + became spaces in a form', 'png', (text) => text.replaceAll('+', ' ')],
		['a PNG that is percent-encoded', 'png', encodeURIComponent],
		['a PNG with \\n as two characters', 'png', (text) => text.replace(/(.{76})/g, '$1\\n')],
		['a WebP that is percent-encoded', 'webp', encodeURIComponent],
		['a WebP with \\n as two characters', 'webp', (text) => text.replace(/(.{76})/g, '$1\\n')],
	])('%s', async (_what, format, spoil) => {
		let spoiled = 0;
		for (const bytes of await images(format)) {
			lax.requests.length = 0;
			await runEdit(lax, [{ json: { text: spoil(bytes.toString('base64')) } }], {
				inputSource: 'text',
				inputText: '={{ $json.text }}',
			});
			for (const sent of uploads()) if (!sent.equals(bytes)) spoiled++;
		}
		expect(spoiled).toBe(0);
	});
});

describe('An item whose JSON is not an object', () => {
	test.each([['text'], [5], [true]])('%p: the paid image is delivered', async (value) => {
		const { items } = await runGenerate(
			stepFun,
			{},
			{ items: [{ json: value } as never as INodeExecutionData], onError: 'continueRegularOutput' },
		);
		expect(items[0].binary?.data).toBeDefined();
	});
});

test('An Input Data Field Name that is an object is shown as JSON', async () => {
	const { error } = await runEdit(stepFun, [await itemWithFile(picture)], {
		binaryPropertyName: '={{ $binary }}',
	});
	expect(error?.message).toContain(`'Input Data Field Name' is '{"data":{`);
});

test('An item whose binary is null has no binary data', async () => {
	const { error } = await runEdit(stepFun, [{ json: {}, binary: null } as never]);
	expect(error?.message).toContain('this item has no such binary field');
	expect(error?.description).toContain('The item has no binary data.');
});

test('An Input Data Field Name whose expression returns nothing is refused, not replaced by data', async () => {
	const { error } = await runEdit(stepFun, [await itemWithFile(picture)], {
		binaryPropertyName: '={{ $json.field }}',
	});
	expect(stepFun.requests).toHaveLength(0);
	expect(error?.message).toContain("'Input Data Field Name'");
});

/** An n8n that cannot serve links refuses the output first. */
const ofLinks: Array<[string, INodeParameters]> = SIGNS_LINKS
	? [['Link Lifetime', { output: 'n8nLink', linkLifetime: '={{ $json.value }}' }]]
	: [];

test.each<[string, INodeParameters]>([
	...ofLinks,
	['Output', { output: '={{ $json.value }}' }],
	['Input Image From', { inputSource: '={{ $json.value }}' }],
	['Input Data Field Name', { binaryPropertyName: '={{ $json.value }}' }],
	['Source Weight', { sourceWeight: '={{ $json.value }}' }],
])('%s that an expression leaves empty is called empty', async (label, parameters) => {
	const item = { ...(await itemWithFile(picture)), json: { value: '' } };
	const { error } = await runEdit(stepFun, [item], { operation: 'imageToImage', ...parameters });
	expect(error?.message).toMatch(new RegExp(`^'${label}' .*is empty$`));
	expect(stepFun.requests).toEqual([]);
});

test('A Resource that does not exist is refused by its own name', async () => {
	const { error } = await runGenerate(stepFun, { resource: 'images' });
	expect(error?.message).toBe("'Resource' must be one of image, account, but is images");
	expect(stepFun.requests).toEqual([]);
});

describe('Additional Body Fields that name the input image', () => {
	test('source_url is refused', async () => {
		const link = 'https://example.com/shoe.png';
		const { error } = await runEdit(lax, [await itemWithFile(picture)], {
			operation: 'imageToImage',
			model: 'step-2x-large',
			options: { additionalBodyFields: JSON.stringify({ source_url: link }) },
		});
		expect(error?.message).toBe("'Additional Body Fields' contains the input image, source_url");
		expect(lax.requests).toEqual([]);
	});

	test('image is refused, because it would be sent beside the file under the same name', async () => {
		const { error } = await runEdit(lax, [await itemWithFile(picture)], {
			options: { additionalBodyFields: '{ "image": "https://example.com/shoe.png" }' },
		});
		expect(error?.message).toBe("'Additional Body Fields' contains the input image, image");
		expect(lax.requests).toEqual([]);
	});
});

describe('A secret in a header, echoed without its scheme', () => {
	test.each([
		['Authorization', 'Bearer tok-12345678', 'tok-12345678'],
		['Authorization', 'Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
		['Cookie', 'session=geheim12345', 'geheim12345'],
	])('%s: %s', async (name, value, secret) => {
		lax.attackWith((_request, response) => {
			response.statusCode = 401;
			response.end(JSON.stringify({ error: { message: `Invalid token ${secret}` } }));
		});
		const { error } = await runGenerate(
			lax,
			{},
			{
				credential: { apiKey: '', headers: { values: [{ name, value }] } },
			},
		);
		expect(error?.message).toContain('was not accepted');
		expect(JSON.stringify([error?.message, error?.description])).not.toContain(secret);
	});
});

describe('Numbers that JSON cannot carry are refused, not sent as null', () => {
	test('Steps of a custom model: a division by zero', async () => {
		const { error } = await runGenerate(
			lax,
			{ model: 'our-own-model', options: { steps: '={{ $json.total / $json.parts }}' } },
			{ items: [{ total: 8, parts: 0 }] },
		);
		expect(json()).toEqual([]);
		expect(error?.message).toContain("'Steps'");
	});

	test.each([
		['Infinity', '={{ ({ guidance: 1 / 0 }) }}'],
		['a nested NaN', '={{ ({ sampler: { eta: 0 / 0 } }) }}'],
	])('Additional Body Fields: %s', async (_what, additionalBodyFields) => {
		const { error } = await runGenerate(lax, { options: { additionalBodyFields } });
		expect(json()).toEqual([]);
		expect(error?.message).toContain("'Additional Body Fields'");
	});
});

describe('Braces in other fields that are set to Fixed', () => {
	test.each<[string, INodeParameters]>([
		[
			'Additional Body Fields',
			{ options: { additionalBodyFields: '{"style":"{{ $json.style }}"}' } },
		],
		['Put Output File in Field', { outputField: '{{ $json.name }}' }],
		['Model', { model: '{{ $json.model }}' }],
		['Size', { model: 'our-own-model', size: '{{ $json.size }}' }],
	])('%s', async (label, parameters) => {
		const { error } = await runGenerate(lax, parameters);
		expect(bodies()).toEqual([]);
		expect(error?.message).toContain(`'${label}' contains {{`);
	});
});

describe('Seeds of a custom model', () => {
	test('a seed of 64 bits is sent as it is', async () => {
		const seed = '18446744073709551615';
		await runGenerate(
			lax,
			{ model: 'our-own-model', options: { seed: '={{ $json.seed }}' } },
			{ items: [{ seed }] },
		);
		expect(bodies()[0]).toContain(seed);
	});

	test.each([1, 2])('3000000000 is accepted for %i images', async (numberOfImages) => {
		const { error } = await runGenerate(lax, {
			model: 'our-own-model',
			options: { seed: 3_000_000_000, numberOfImages },
		});
		expect(error?.message).toBeUndefined();
	});
});

describe('Include Input Fields that is neither true nor false', () => {
	test.each([['yes'], ['on'], [{ a: 1 }]])('%j is refused', async (value) => {
		const { error } = await runGenerate(
			stepFun,
			{ options: { includeInputFields: '={{ $json.value }}' } },
			{ items: [{ value, sku: 5 }] },
		);
		expect(error?.message).toContain("'Include Input Fields'");
	});
});

test('An unknown API Format is refused, since StepFun’s would swap width and height', async () => {
	const { error } = await runGenerate(
		lax,
		{ size: '1360x768' },
		{ credential: { apiFormat: 'SGLang' } },
	);
	expect(bodies()).toEqual([]);
	expect(error?.message).toContain("'API Format'");
});

test('An API Format whose expression returns nothing is refused', async () => {
	const { error } = await runGenerate(lax, {}, { credential: { apiFormat: '' } });
	expect(error?.message).toBe("The credential's 'API Format' is empty");
	expect(bodies()).toEqual([]);
});

describe('Headers of the credential', () => {
	const run = async (values: unknown[]) =>
		await runGenerate(lax, {}, { credential: { headers: { values } } as never });

	test('two with the same name are refused', async () => {
		const { error } = await run([
			{ name: 'X-Tag', value: 'one' },
			{ name: 'x-tag', value: 'two' },
		]);
		expect(error?.message).toBe("The credential contains the header 'X-Tag' several times");
		expect(lax.requests).toEqual([]);
	});

	test('a number as the value is sent', async () => {
		await run([{ name: 'X-Org', value: 12345 }]);
		expect(lax.requests[0].headers['x-org']).toBe('12345');
	});
});

describe('Messages', () => {
	test('a number as the name of an input file', async () => {
		const data = { data: picture.toString('base64'), mimeType: 'image/png', fileName: 17 as never };
		const { error } = await runEdit(
			stepFun,
			[{ json: {}, binary: { data } }],
			{},
			{
				binaryMode: 'default',
			},
		);
		expect(error?.message).toBeUndefined();
	});

	test('Input Data Field Name that contains an image as Base64 is not repeated as a whole', async () => {
		const { error } = await runEdit(
			stepFun,
			[{ ...(await itemWithFile(picture)), json: { image: 'A'.repeat(3_000_000) } }],
			{ binaryPropertyName: '={{ $json.image }}' },
		);
		expect(error?.message.length).toBeLessThan(1000);
	});

	test.each([
		['Image URL', { inputSource: 'url', inputUrl: '={{ [$json.value] }}' }],
		['Base64 Text', { inputSource: 'text', inputText: '={{ [$json.value] }}' }],
		['Model', { model: '={{ [$json.value] }}' }],
	])('%s that is a list is not called empty', async (_label, parameters) => {
		const { error } = await runEdit(
			stepFun,
			[{ ...(await itemWithFile(picture)), json: { value: 'x' } }],
			parameters,
		);
		expect(error?.message).not.toContain('empty');
	});

	test('A Model of a megabyte that the server does not have is not repeated as a whole', async () => {
		lax.attackWith((_request, response) => {
			response.statusCode = 404;
			response.end('{ "error": { "code": "model_not_found", "message": "no such model" } }');
		});
		const { error } = await runGenerate(lax, { model: `=${'m'.repeat(1_000_000)}` });
		expect(error?.message).toContain('does not have the model mmm');
		expect(error?.message.length).toBeLessThan(1000);
	});

	test('An Image URL of a megabyte is not repeated as a whole', async () => {
		const { error } = await runEdit(stepFun, [{ json: {} }], {
			inputSource: 'url',
			inputUrl: `http://127.0.0.1:9/${'é'.repeat(170_000)}`,
			options: { maxTries: 1 },
		});
		expect(error?.message).toContain("'Image URL' could not be downloaded");
		expect(error?.description?.length).toBeLessThan(3000);
	});

	test.each(['ftp://user:geheim123@host/x.png', 'user:geheim123@host/x.png'])(
		'The login in a refused Image URL is not shown: %s',
		async (inputUrl) => {
			const { error } = await runEdit(stepFun, [{ json: {} }], { inputSource: 'url', inputUrl });
			expect(error?.message).toContain("'Image URL'");
			expect(error?.message).not.toContain('geheim123');
		},
	);

	test.each([['={{ ({}) }}'], ['={{ 0 / 0 }}'], ['={{ ["a", "b"] }}']])(
		'Put Output File in Field that is not text is refused: %s',
		async (outputField) => {
			const { error } = await runGenerate(stepFun, { outputField });
			expect(error?.message).toContain("'Put Output File in Field'");
		},
	);
});

describe('Names', () => {
	test.each([
		['红鞋.png', '红鞋-edited-1.png'],
		['sch%C3%B6n%20rot.png', 'schön-rot-edited-1.png'],
	])('The result of the URL …/%s is called %s', async (name, expected) => {
		const { items } = await runEdit(lax, [{ json: {} }], {
			inputSource: 'url',
			inputUrl: `${lax.origin}/${name}`,
		});
		expect(items[0].json.fileName).toBe(expected);
	});

	test('A Thai or Hindi prompt keeps its vowel signs in the name of the file', async () => {
		const { items } = await runGenerate(stepFun, { prompt: 'रंग' });
		expect(items[0].json.fileName).toBe('रंग-1.png');
	});
});

test('A prompt that is false is refused like an empty one', async () => {
	const { error } = await runGenerate(stepFun, { prompt: '={{ $json.a === 1 && $json.prompt }}' });
	expect(stepFun.requests).toHaveLength(0);
	expect(error?.message).toContain("'Prompt'");
});

describe('An object in a text, which JavaScript writes as [object Object], is refused', () => {
	const text = '=Photo of {{ $json.product }}';
	test.each<[string, INodeParameters]>([
		['Prompt', { prompt: text }],
		['Negative Prompt', { options: { negativePrompt: text, cfgScale: 2 } }],
		['File Name', { options: { fileName: text } }],
		[
			'Additional Body Fields',
			{ options: { additionalBodyFields: `${text.replace('=', '={"style":"')}"}` } },
		],
	])('%s', async (label, parameters) => {
		const items = [{ product: { name: 'Shoe' } }, { product: [{ name: 'Hat' }] }];
		const { error } = await runGenerate(stepFun, parameters, { items });
		expect(error?.message).toMatch(`All 2 rows: '${label}' contains [object Object]`);
		expect(stepFun.requests).toEqual([]);
	});

	test('Input Data Field Name, with a list of files', async () => {
		const { error } = await runEdit(stepFun, [await itemWithFile(picture)], {
			binaryPropertyName: '={{ [$binary.data] }}',
		});
		expect(error?.message).toBe("'Input Data Field Name' contains [object Object] instead of text");
		expect(stepFun.requests).toEqual([]);
	});

	test('an object of one product passes by its field', async () => {
		const { error } = await runGenerate(
			stepFun,
			{ prompt: `${text.replace('product', 'product.name')}` },
			{ items: [{ product: { name: 'Shoe' } }] },
		);
		expect(error?.message).toBeUndefined();
	});
});

describe('An expression that n8n cannot evaluate', () => {
	test.each<[string, INodeParameters]>([
		['Prompt', { prompt: '={{ $json.a b }}' }],
		['Model', { model: { __rl: true, mode: 'id', value: '={{ $json.a b }}' } }],
		['Seed', { options: { steps: '={{ 8 }}', seed: '={{ $json.a b }}', fileName: 'shoe' } }],
	])('is reported with the label of its field: %s', async (label, parameters) => {
		const { error } = await runGenerate(stepFun, parameters, { items: [{}, {}] });
		expect(error?.message).toBe(`All 2 rows: The expression in '${label}' failed: invalid syntax`);
		expect(error?.description).toBe(`Correct the expression in '${label}'. Nothing was sent.`);
	});

	test('keeps what n8n knows of its cause', async () => {
		const parameters = { prompt: "={{ $('Nowhere').item.json.prompt }}" };
		const { error } = await runGenerate(stepFun, parameters);
		expect(error?.message).toBe("The expression in 'Prompt' failed: Referenced node doesn't exist");
		expect(error?.context).toMatchObject({ nodeCause: 'Nowhere', itemIndex: 0 });
	});
});
