import type { INodeParameters } from 'n8n-workflow';

import { runGenerate } from '../kit/localRuns.cts';
import { SIGNS_LINKS } from '../kit/n8nDifferences.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer()));
beforeEach(() => server.reset());
afterEach(() => expect(server.requests).toEqual([]));
afterAll(async () => await server.close());

const refusal = async (parameters: INodeParameters, rest = {}) =>
	(await runGenerate(server, parameters, rest)).error;

describe('Refusals: one error lists all rows, counted from 1', () => {
	const rows = [{ prompt: 'A red shoe' }, { prompt: '' }, { prompt: 'x'.repeat(600) }];

	test('Stop mode names the first refused row and lists the others', async () => {
		const error = await refusal({ prompt: '={{ $json.prompt }}' }, { items: rows });
		expect(error?.message).toMatch(
			/^Row 2 of 3: 'Prompt' is empty\. 1 more row: row 3, 'Prompt' is too long: 600 characters.*\.$/,
		);
		expect(error?.description).toMatch(
			/^Row 2: Write what the image should show\..* Nothing was sent\.$/,
		);
		expect(error?.context.itemIndex).toBe(1);
		// The editor would append "[item 1]" to "Row 2".
		expect(JSON.stringify(error?.context)).not.toContain('itemIndex');
	});

	test('A single refused row of several is named too', async () => {
		const error = await refusal({ prompt: '={{ $json.prompt }}' }, { items: rows.slice(0, 2) });
		expect(error?.message).toBe("Row 2 of 2: 'Prompt' is empty");
		expect(error?.description).toMatch(/^Write what the image should show\..* Nothing was sent\.$/);
	});

	test('A run with one row has no row numbers', async () => {
		expect((await refusal({ prompt: '={{ "" }}' }))?.message).toBe("'Prompt' is empty");
	});

	test('Each message is listed once, with the rows that have it', async () => {
		const prompts = ['', 'A red shoe', 'x'.repeat(600), '', 'x'.repeat(600)];
		const items = prompts.map((prompt) => ({ prompt }));
		const error = await refusal({ prompt: '={{ $json.prompt }}' }, { items });
		expect(error?.message).toMatch(
			/^Row 1 of 5: 'Prompt' is empty\. 3 more rows: rows 3, 5, 'Prompt' is too long: [^;]+; row 4, as in row 1\.$/,
		);
		expect(error?.description).toMatch(/^Row 1: Write what the image should show\./);
	});

	test('Advice that is for all refused rows names none of them', async () => {
		const error = await refusal({ prompt: 'A {{ $json.name }}' }, { items: [{}, {}] });
		expect(error?.description).toMatch(/^Switch the field to Expression/);
	});

	const emptyRows = Array.from({ length: 30 }, () => ({ prompt: ' ' }));

	test('More than ten refused rows are summarized', async () => {
		const items = [...emptyRows, { prompt: 'A red shoe' }];
		const error = await refusal({ prompt: '={{ $json.prompt }}' }, { items });
		expect(error?.message).toBe(
			"Row 1 of 31: 'Prompt' is empty. 29 more rows: rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, as in row 1; and 19 more.",
		);
	});

	test('What is wrong with all rows is not said of single ones', async () => {
		const error = await refusal({ prompt: '={{ $json.prompt }}' }, { items: emptyRows });
		expect(error?.message).toBe("All 30 rows: 'Prompt' is empty");
		expect(error?.description).toMatch(/^Write what the image should show\..* Nothing was sent\.$/);
		expect(JSON.stringify(error?.context)).not.toContain('itemIndex');
	});
});

describe('Refusals: braces in a field that is set to Fixed', () => {
	test.each<[string, INodeParameters]>([
		['Prompt', { prompt: 'Photo of {{ $json.name }}' }],
		['Negative Prompt', { options: { negativePrompt: '{{ $json.not }}', cfgScale: 2 } }],
		['File Name', { options: { fileName: '{{ $json.sku }}-front' } }],
	])('%s with braces is refused', async (label, parameters) => {
		const error = await refusal(parameters);
		expect(error?.message).toContain(`'${label}' contains {{ $json.`);
		expect(error?.description).toContain('Switch the field to Expression');
	});

	test('A million opening braces are searched quickly', async () => {
		const error = await refusal({ prompt: '{{'.repeat(500_000) });
		expect(error?.message).toContain("'Prompt' is too long");
	});
});

describe('Refusals: Max Images per Run', () => {
	test('A larger run is refused, with its number of images', async () => {
		const error = await refusal(
			{ options: { maxImagesPerRun: 5, numberOfImages: 3 } },
			{ items: [{}, {}] },
		);
		expect(error?.message).toBe("The run would make 6 images, and 'Max Images per Run' is 5");
		expect(error?.description).toContain('Nothing was sent.');
		expect(error?.context.itemIndex).toBeUndefined();
	});

	// Without a value, an expression would silently remove the limit.
	test.each([0, 1.5, 'many', true, {}, '', null, '={{ $json.limit }}'])(
		'%j is not a number of images',
		async (maxImagesPerRun) => {
			const error = await refusal({ options: { maxImagesPerRun } as INodeParameters });
			expect(error?.message).toContain("'Max Images per Run' must be a whole number");
			expect(error?.description).toContain('remove the option for no limit');
		},
	);
});

describe('Refusals: numbers are read in the same way', () => {
	const fields = [
		['numberOfImages', 'Number of Images'],
		['maxTries', 'Max Tries'],
		['timeout', 'Timeout (Seconds)'],
		['giveUpAfter', 'Give Up After (Seconds)'],
		['steps', 'Steps'],
	];
	const values = [true, [], {}, 'NaN', 'ten', [5]];

	test.each(
		fields.flatMap(([name, label]) => values.map((value) => [name, value, label] as const)),
	)('%s = %j is refused by name', async (name, value, label) => {
		const error = await refusal({ options: { [name]: value } } as INodeParameters);
		expect(error?.message).toContain(`'${label}' must be a`);
	});
});

describe('Refusals: Link Lifetime', () => {
	(SIGNS_LINKS ? test : test.skip).each([
		'forever',
		'7 Tage',
		3600,
		'0 days',
		'-1 day',
		'1 day; drop',
		'={{ $json.missing }}',
	])('%j is refused by name', async (linkLifetime) => {
		const error = await refusal({ output: 'n8nLink', linkLifetime });
		expect(error?.message).toContain("'Link Lifetime' must be a time such as");
	});
});

describe('Refusals: Seed', () => {
	test('A seed that is too large for all images is refused', async () => {
		const error = await refusal({ options: { seed: 2_147_483_646, numberOfImages: 3 } });
		expect(error?.message).toBe(
			"'Seed' must be at most 2147483645 for 3 images, but is 2147483646",
		);
	});
});

describe('Refusals: the credential', () => {
	test.each<[string, object, string]>([
		[
			'a login in the Base URL',
			{ baseUrl: 'http://user:secret-pass@127.0.0.1:9/v1' },
			'contains a user',
		],
		['a label in place of a Service', { service: 'StepFun China' }, "'Service' is StepFun China,"],
		['no Service', { service: '' }, "'Service' is empty"],
		[
			'a key with a character beyond Latin',
			{ apiKey: 'sk-3fN8钥qLw1' },
			"'API Key' contains a character",
		],
		['a header name with a space', { headers: { values: [{ name: 'X A', value: '1' }] } }, "'X A'"],
		['a header of the protocol', { headers: { values: [{ name: 'Host', value: 'x' }] } }, "'Host'"],
		[
			'a header value with a line break',
			{ headers: { values: [{ name: 'X-A', value: 'a\nb' }] } },
			"value of the header 'X-A'",
		],
	])('%s is refused by name', async (_what, credential, message) => {
		const error = await refusal({}, { credential });
		expect(error?.message).toContain(message);
		expect(JSON.stringify(error)).not.toContain('secret-pass');
	});
});

test('300 emoji of several code points are too long for a prompt of 512', async () => {
	const error = await refusal({ prompt: '👨‍👩‍👧'.repeat(300) });
	expect(error?.message).toContain("'Prompt' is too long: 1500 characters");
});
