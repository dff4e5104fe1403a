import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { inputImage, itemWithFile } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import { HOSTILE_NAMES } from '../kit/hostileNames.cts';

jest.setTimeout(60_000);

let server: StepFunServer;
let folder: string;
let image: Buffer;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
	folder = await mkdtemp(join(tmpdir(), 'stepfun-image-names-'));
	image = await inputImage(64, 64);
});
afterEach(() => server.reset());
afterAll(async () => {
	await server.close();
	await rm(folder, { recursive: true });
});

/** Fails unless a file of this name can be written, is where it should be, and bears that name. */
async function expectHarmless(fileName: unknown): Promise<void> {
	const name = String(fileName);
	expect(name).toBe(basename(name));
	expect(name).not.toMatch(/[\\/:*?"<>|\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
	expect(name).not.toMatch(/^(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])\s*\./i);
	expect(name).toMatch(/^[^.\s].*\.png$/);
	expect(encodeURIComponent(name)).not.toBe('');
	await writeFile(join(folder, name), 'x');
	expect(await readdir(folder)).toContain(name);
}

describe('File names: hostile input', () => {
	test('The file name is harmless if it comes from a hostile prompt', async () => {
		const { items } = await runGenerate(
			server,
			{ model: 'step-2x-large', size: '256x256', prompt: '={{ $json.prompt }}' },
			{ items: HOSTILE_NAMES.map((prompt) => ({ prompt: `${prompt.slice(0, 500)} a` })) },
		);
		expect(items).toHaveLength(HOSTILE_NAMES.length);
		for (const { json, binary } of items) {
			expect(binary?.data.fileName).toBe(json.fileName);
			await expectHarmless(json.fileName);
		}
	});

	test('The file name is harmless when File Name is hostile', async () => {
		const { items } = await runGenerate(
			server,
			{
				model: 'step-2x-large',
				size: '256x256',
				options: { fileName: '={{ $json.name }}', numberOfImages: 2 },
			},
			{ items: HOSTILE_NAMES.map((name) => ({ name })) },
		);
		expect(items).toHaveLength(2 * HOSTILE_NAMES.length);
		for (const { json, binary } of items) {
			expect(binary?.data.fileName).toBe(json.fileName);
			await expectHarmless(json.fileName);
		}
	});

	test("The file name is harmless when the input file's is hostile, and it adds nothing to the form", async () => {
		const files = await Promise.all(
			HOSTILE_NAMES.map(async (name) => await itemWithFile(image, name)),
		);
		const { items, error } = await runEdit(server, files);
		expect(error?.message).toBeUndefined();
		for (const { json } of items) await expectHarmless(json.fileName);
		expect(server.requests).toHaveLength(HOSTILE_NAMES.length);
		for (const { file, fields } of server.requests) {
			expect(file?.bytes).toEqual(image);
			expect(Object.keys(fields ?? {}).sort()).toEqual(['model', 'prompt', 'response_format']);
		}
	});
});
