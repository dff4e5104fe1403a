import {
	SERVER_FORMATS,
	type ServerFormat,
} from '../../nodes/StepFunImage/catalogue/serverFormats';
import { inputImage, itemWithFile } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { SIGNS_LINKS } from '../kit/n8nDifferences.cts';
import { bytesOf, type NodeRun } from '../kit/runNode.cts';
import {
	startOtherServer,
	type OtherServer,
	type OtherServerKind,
} from '../other-servers/server.cts';

/** The simulation of a server for each format, with what its credential needs. */
const KINDS: Array<[format: ServerFormat['value'], kind: OtherServerKind]> = [
	['vllmOmni', 'vllmOmni'],
	['sglang', 'sglang'],
	['stableDiffusionCpp', 'stableDiffusionCpp'],
	['localAi', 'localAi'],
	['openai', 'openai'],
	['openai', 'lightX2V'],
	['openai', 'liteLlm'],
];

const MODEL = 'served-model';

let server: OtherServer;
afterEach(async () => await server.close());

const credentialFor = (apiFormat: string) => ({ apiFormat, apiKey: 'local-key' });

const generate = async (
	apiFormat: string,
	parameters: NodeRun['parameters'] = {},
	rest: Partial<NodeRun> = {},
) =>
	await runGenerate(
		server,
		{ model: MODEL, size: '1536x1024', ...parameters },
		{ ...rest, credential: credentialFor(apiFormat) },
	);

const VALUES: Record<string, [option: string, value: unknown, label: string]> = {
	steps: ['steps', 12, 'Steps'],
	cfg_scale: ['cfgScale', 3.5, 'CFG Scale'],
	seed: ['seed', 7, 'Seed'],
	negative_prompt: ['negativePrompt', 'blurry', 'Negative Prompt'],
	text_mode: ['textMode', true, 'Text Mode'],
};

const UNDERSTOOD: Partial<Record<string, keyof OtherServer['drawings'][0]>> = {
	steps: 'steps',
	cfg_scale: 'guidance',
	seed: 'seed',
	negative_prompt: 'negativePrompt',
};

describe.each(KINDS)('API Format %s in front of %s', (value, kind) => {
	const format = SERVER_FORMATS.find((each) => each.value === value) as ServerFormat;
	const carried = (setting: string) =>
		setting in format.settings || setting in (format.promptSettings?.settings ?? {});

	beforeEach(async () => {
		server = await startOtherServer(kind, { model: MODEL, key: 'local-key' });
	});

	test(`Generate gets a landscape picture from ${kind} if it asks for one`, async () => {
		const { items, error } = await generate(value);
		expect(error?.message).toBeUndefined();
		expect(items[0].json).toMatchObject({ width: 1536, height: 1024 });
		expect(items[0].json).not.toHaveProperty('requestedSize');
		expect((await bytesOf(items[0].binary?.data)).length).toBeGreaterThan(100);
	});

	test.each(Object.keys(VALUES))(
		`%s reaches ${kind}, or is refused before anything is sent`,
		async (setting) => {
			const [option, entered, label] = VALUES[setting];
			const { items, error } = await generate(value, { options: { [option]: entered } as never });
			if (!carried(setting)) {
				expect(error?.message).toContain(`'${label}' cannot be sent`);
				expect(error?.description).toContain('Additional Body Fields');
				expect(server.received).toEqual([]);
				return;
			}
			if (kind === 'openai') {
				// OpenAI itself takes no seed, and says so.
				expect(error?.message).toContain("Unknown parameter: 'seed'");
				return;
			}
			expect(error?.message).toBeUndefined();
			const understood = UNDERSTOOD[setting];
			if (understood) expect(server.drawings[0][understood]).toBe(entered);
			if (setting === 'seed') expect(items[0].json.seed).toBe(entered);
		},
	);

	test(`Three images of one item differ on ${kind}, and their seeds are reported`, async () => {
		const { items, error } = await generate(value, { options: { numberOfImages: 3 } });
		expect(error?.message).toBeUndefined();
		expect(items).toHaveLength(3);
		if (!format.needsSeed) return;
		const seeds = items.map(({ json }) => json.seed);
		expect(new Set(seeds).size).toBe(3);
		expect(server.drawings.map(({ seed }) => seed).sort()).toEqual([...seeds].sort());
		const pictures = await Promise.all(items.map(({ binary }) => bytesOf(binary?.data)));
		expect(new Set(pictures.map((bytes) => bytes.toString('base64'))).size).toBe(3);
	});

	test(`Edit works on ${kind}, or is refused before anything is sent`, async () => {
		const item = await itemWithFile(await inputImage(64, 48));
		const { items, error } = await runEdit(
			server,
			[item],
			{ model: MODEL },
			{ credential: credentialFor(value) },
		);
		if (!format.operations.includes('edit')) {
			expect(error?.message).toContain("do not offer 'Edit'");
			expect(server.received).toEqual([]);
			return;
		}
		expect(error?.message).toBeUndefined();
		expect(items[0].binary?.data).toBeDefined();
	});

	test(`Image URL gets a link from ${kind}, or is refused before anything is sent`, async () => {
		const { items, error } = await generate(value, { output: 'url' });
		if (!format.hasLinks) {
			expect(error?.message).toContain('return no links');
			expect(server.received).toEqual([]);
			return;
		}
		expect(error?.message).toBeUndefined();
		const { url } = items[0].json;
		// A server that sends the picture all the same has it delivered as a file.
		if (url === null) expect(items[0].binary?.data).toBeDefined();
		else expect(String(url)).toMatch(/^http:\/\/127\.0\.0\.1:/);
	});

	// Where the server gives no links, n8n's own have to serve.
	(format.hasLinks || SIGNS_LINKS ? test : test.skip)(
		`A tool with its default output gets a result to pass on from ${kind}`,
		async () => {
			const { items, error } = await generate(value, { output: 'url' }, { asTool: true });
			expect(error?.message).toBeUndefined();
			expect(items[0].json.url ?? items[0].json.link ?? items[0].binary).toBeDefined();
		},
	);
});

test('Additional Body Fields reach stable-diffusion.cpp, and the item shows the seed among them', async () => {
	server = await startOtherServer('stableDiffusionCpp', { model: MODEL, key: 'local-key' });
	const { items, error } = await generate('stableDiffusionCpp', {
		options: { additionalBodyFields: '{"seed":7,"sample_params":{"sample_steps":5}}', cfgScale: 3 },
	});
	expect(error?.message).toBeUndefined();
	expect(server.drawings[0]).toMatchObject({ seed: 7, steps: 5, guidance: 3 });
	expect(items[0].json.seed).toBe(7);
});
