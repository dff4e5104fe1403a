import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { startCommandLine } from './commandLine.cts';
import { startStepFunServer, type JsonSpelling, type StepFunServer } from './server.cts';
import {
	decoded,
	edit,
	filePart,
	generate,
	GENERATION,
	inputImage,
	pictureOf,
	postJson,
} from './testRequests.cts';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer();
});

beforeEach(() => server.reset());

afterAll(() => server.close());

const SMALL = { model: 'step-2x-large', size: '256x256' };

test.each([
	['step-image-edit-2', undefined, 1024, 1024],
	['step-image-edit-2', '1024x1024', 1024, 1024],
	['step-image-edit-2', '768x1360', 1360, 768],
	['step-image-edit-2', '896x1184', 1184, 896],
	['step-image-edit-2', '1360x768', 768, 1360],
	['step-image-edit-2', '1184x896', 896, 1184],
	['step-2x-large', undefined, 1024, 1024],
	['step-2x-large', '256x256', 256, 256],
	['step-2x-large', '512x512', 512, 512],
	['step-2x-large', '768x768', 768, 768],
	['step-2x-large', '1024x1024', 1024, 1024],
	['step-2x-large', '1280x800', 1280, 800],
	['step-2x-large', '800x1280', 800, 1280],
])('%s draws size %s as %i wide and %i high', async (model, size, width, height) => {
	const picture = pictureOf(await generate(server, { model, size }));
	expect(await decoded(picture)).toEqual({ format: 'png', width, height });
});

test.each([
	[64, 64],
	[333, 77],
	[1, 1],
	[4096, 40],
])('step-image-edit-2 edits %i x %i into the same size', async (width, height) => {
	const image = filePart(await inputImage(width, height));
	const picture = pictureOf(await edit(server, { image, size: '512x512' }));
	expect(await decoded(picture)).toEqual({ format: 'png', width, height });
});

test('step-image-edit-2 takes an input of 4096 x 4096', async () => {
	const image = filePart(await inputImage(4096, 4096));
	const picture = pictureOf(await edit(server, { image }));
	const { width, height } = await sharp(picture).metadata();
	expect([width, height]).toEqual([4096, 4096]);
});

test.each([
	[undefined, 100, 100, 512, 512],
	['512x512', 100, 100, 512, 512],
	['768x768', 200, 200, 768, 768],
	['1024x1024', 64, 64, 1024, 1024],
])('step-1x-edit with size %s makes a square %i x %i input %i x %i', async (...row) => {
	const [size, inWidth, inHeight, width, height] = row;
	const image = filePart(await inputImage(inWidth, inHeight));
	const picture = pictureOf(await edit(server, { model: 'step-1x-edit', image, size }));
	expect(await decoded(picture)).toEqual({ format: 'png', width, height });
});

test.each([
	['512x512', 300, 100],
	['768x768', 160, 200],
	['1024x1024', 100, 300],
])('step-1x-edit with size %s keeps the ratio of %i x %i at that area', async (...row) => {
	const [size, inWidth, inHeight] = row;
	const image = filePart(await inputImage(inWidth, inHeight));
	const picture = pictureOf(await edit(server, { model: 'step-1x-edit', image, size }));
	const { width, height } = await decoded(picture);
	const side = Number(size.split('x')[0]);
	expect(Math.abs(width / height / (inWidth / inHeight) - 1)).toBeLessThan(0.03);
	expect(Math.abs((width * height) / side ** 2 - 1)).toBeLessThan(0.03);
});

test('an edit shows its input: other inputs give other colours in the middle', async () => {
	const middle = async (background: string) => {
		const input = await sharp({ create: { width: 400, height: 400, channels: 3, background } })
			.png()
			.toBuffer();
		const picture = pictureOf(await edit(server, { image: filePart(input), seed: '1' }));
		const { data } = await sharp(picture)
			.extract({ left: 150, top: 200, width: 100, height: 100 })
			.resize(1, 1)
			.raw()
			.toBuffer({ resolveWithObject: true });
		return data[0] - data[2];
	};
	const [red, blue] = [await middle('#ff0000'), await middle('#0000ff')];
	expect(red - blue).toBeGreaterThan(200);
});

test('image to image: a higher weight goes further from the source', async () => {
	const source = await sharp({
		create: { width: 256, height: 256, channels: 3, background: '#ff0000' },
	})
		.png()
		.toBuffer();
	const redness = async (source_weight: number) => {
		const reply = await postJson(server, 'images/image2image', {
			...GENERATION,
			...SMALL,
			source_url: `data:image/png;base64,${source.toString('base64')}`,
			source_weight,
			seed: 5,
		});
		const { channels } = await sharp(pictureOf(reply)).stats();
		return channels[0].mean - channels[2].mean;
	};
	expect(await redness(0.1)).toBeGreaterThan((await redness(1)) + 20);
});

test('the same prompt, size and seed give the same picture, others another', async () => {
	const draw = async (changes: object) =>
		pictureOf(await generate(server, { ...SMALL, seed: 7, ...changes }));
	const first = await draw({});
	expect((await draw({})).equals(first)).toBe(true);
	expect((await draw({ seed: 8 })).equals(first)).toBe(false);
	expect((await draw({ prompt: 'a blue fox' })).equals(first)).toBe(false);
});

test('a machine without fonts draws Chinese and Latin letters too', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'stepfun-fonts-'));
	const noFonts = join(folder, 'fonts.conf');
	await writeFile(noFonts, '<?xml version="1.0"?><fontconfig></fontconfig>');
	const bare = await startCommandLine([], { FONTCONFIG_FILE: noFonts });
	// Bright points in the lower part of the picture, where nothing but the caption is bright.
	const brightness = async (prompt: string) => {
		const changes = { model: 'step-2x-large', size: '512x512', seed: 7, prompt };
		const lower = await sharp(pictureOf(await generate(bare, changes)))
			.extract({ left: 0, top: 360, width: 512, height: 152 })
			.greyscale()
			.threshold(200)
			.raw()
			.toBuffer();
		return lower.filter((value) => value > 0).length;
	};
	const nothing = await brightness(' ');
	const ink = async (prompt: string) => (await brightness(prompt)) - nothing;
	// A missing letter is drawn as a box with its code in it, and one box is as bright as another.
	const few = await ink('一一一一一一一一');
	const many = await ink('囊囊囊囊囊囊囊囊');
	const dots = await ink('........');
	const umlauts = await ink('ÄÄÄÄÄÄÄÄ');
	const boxes = await ink('\uE000'.repeat(8));
	await bare.stop();
	await rm(folder, { recursive: true });
	expect(many).toBeGreaterThan(2 * few);
	expect(few).toBeGreaterThan(0);
	expect(dots).toBeLessThan(few);
	expect(umlauts).toBeLessThan(0.8 * boxes);
});

test('every picture says that it comes from a test server, whatever the length of its prompt', async () => {
	// Nothing but the notice is of so strong an amber; around its letters it fades.
	const amber = async (picture: Buffer) => {
		const pixels = await sharp(picture).removeAlpha().raw().toBuffer();
		let count = 0;
		for (let at = 0; at < pixels.length; at += 3) {
			const [red, green, blue] = pixels.subarray(at, at + 3);
			if (red > 170 && green > 110 && blue < 60) count++;
		}
		return count;
	};
	const plain = await inputImage(512, 512);
	expect(await amber(plain)).toBe(0);
	const generated = (changes: object) =>
		generate(server, { ...SMALL, size: '512x512', ...changes });
	const pictures = [
		await generated({}),
		await generated({ prompt: 'A long prompt. '.repeat(34) }),
		await generated({ size: '256x256', prompt: '图'.repeat(500) }),
		await edit(server, { image: filePart(plain) }),
	].map(pictureOf);
	for (const picture of pictures) expect(await amber(picture)).toBeGreaterThan(100);
}, 20_000);

test('a given seed is echoed, an absent one is drawn at random', async () => {
	const seedOf = async (changes: object) =>
		(await generate(server, { ...SMALL, ...changes })).body.data?.[0].seed ?? -1;
	expect(await seedOf({ seed: 2147483647 })).toBe(2147483647);
	const drawn = [await seedOf({}), await seedOf({}), await seedOf({ seed: 0 })];
	expect(new Set(drawn).size).toBe(3);
	for (const seed of drawn) {
		expect(Number.isInteger(seed) && seed >= 0 && seed <= 2147483647).toBe(true);
	}
});

test('step-image-edit-2 keeps seed 0, step-1x-edit draws one for it', async () => {
	const image = filePart(await inputImage(64, 64));
	const kept = await edit(server, { image, seed: '0' });
	const drawn = await edit(server, { image, seed: '0', model: 'step-1x-edit' });
	expect(kept.body.data?.[0].seed).toBe(0);
	expect(drawn.body.data?.[0].seed).toBeGreaterThan(0);
});

test('responses have the documented fields and a URL by default', async () => {
	const { body, headers } = await generate(server, { ...SMALL, response_format: undefined });
	expect(body).toEqual({
		id: expect.stringMatching(/^[0-9a-f]{32}\.[0-9a-f]{32}$/) as string,
		created: expect.any(Number) as number,
		data: [
			{
				seed: expect.any(Number) as number,
				finish_reason: 'success',
				url: expect.stringContaining(server.resultOrigin) as string,
			},
		],
	});
	expect(Math.abs((body.created ?? 0) - Date.now() / 1000)).toBeLessThan(5);
	expect(headers.get('x-trace-id')).toMatch(/^[0-9a-f]{32}$/);
});

describe('picture settings', () => {
	test.each([
		['png', 300_000],
		['jpeg', 300_000],
		['webp', 300_001],
	] as const)('%s padded to about %i bytes stays valid', async (format, bytes) => {
		const padded = await startStepFunServer({ image: { format, bytes } });
		const picture = pictureOf(await generate(padded, SMALL));
		await padded.close();
		expect(Math.abs(picture.length - bytes)).toBeLessThan(16);
		expect(await decoded(picture)).toEqual({ format, width: 256, height: 256 });
	});

	test('the padding of a PNG is a chunk with the right checksum', async () => {
		const padded = await startStepFunServer({ image: { bytes: 300_000 } });
		const picture = pictureOf(await generate(padded, SMALL));
		await padded.close();
		const names: string[] = [];
		for (let at = 8; at < picture.length; ) {
			const length = picture.readUInt32BE(at);
			names.push(picture.toString('latin1', at + 4, at + 8));
			const covered = picture.subarray(at + 4, at + 8 + length);
			expect(picture.readUInt32BE(at + 8 + length)).toBe(crc32(covered));
			at += length + 12;
		}
		expect(names.slice(-2)).toEqual(['paDd', 'IEND']);
	});

	test.each(['jpeg', 'webp'] as const)('a low quality makes a small %s', async (format) => {
		const [coarse, usual] = await Promise.all(
			[10, undefined].map(async (quality) => {
				const server = await startStepFunServer({ image: { format, quality } });
				const picture = pictureOf(await generate(server, SMALL));
				await server.close();
				return picture;
			}),
		);
		expect(coarse.length).toBeLessThan(usual.length / 2);
		expect(await decoded(coarse)).toEqual({ format, width: 256, height: 256 });
	});

	test('drawing once sends one picture per size', async () => {
		const quick = await startStepFunServer({ drawing: 'once' });
		const draw = async (changes: object) =>
			pictureOf(await generate(quick, { ...SMALL, ...changes }));
		const first = await draw({ prompt: 'one' });
		const second = await draw({ prompt: 'two' });
		const other = await draw({ size: '512x512' });
		await quick.close();
		expect(second.equals(first)).toBe(true);
		expect(await decoded(other)).toMatchObject({ width: 512 });
	});

	test.each<[JsonSpelling, RegExp]>([
		['compact', /^\{"id":"[^ ]+"\}\]\}$/],
		['pretty', /^\{\n {2}"id": /],
		['whitespace', /^ \r\n\t\{\n\t "id"\t : {2}\n/],
		['escaped-slashes', /\\\//],
		['image-first', /^\{"data":\[\{"b64_json":".*"url":null,"revised_prompt":null\}\],"created"/],
		['image-last', /"url":null,"seed":1,"finish_reason":"success","b64_json":"[^"]+"\}\]\}$/],
	])('spelling %s is the same JSON', async (jsonSpelling, form) => {
		const spelling = await startStepFunServer({ jsonSpelling });
		const response = await fetch(`${spelling.url}/images/generations`, {
			method: 'POST',
			headers: { Authorization: 'Bearer local-stepfun-key', 'Content-Type': 'application/json' },
			body: JSON.stringify({ ...GENERATION, ...SMALL, seed: 1 }),
		});
		const text = await response.text();
		const url = await generate(spelling, { ...SMALL, response_format: 'url' });
		const [sent] = spelling.sentImages;
		await spelling.close();
		expect(text).toMatch(form);
		const { data } = JSON.parse(text) as { data: Array<{ b64_json: string }> };
		expect(Buffer.from(data[0].b64_json, 'base64').equals(sent)).toBe(true);
		expect(url.body.data?.[0].url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/image_gen\//);
	});

	test('recordBodies false keeps neither bodies nor pictures', async () => {
		const light = await startStepFunServer({ recordBodies: false });
		const { status } = await generate(light, SMALL);
		const { requests, sentImages, images } = light;
		await light.close();
		expect(status).toBe(200);
		expect(requests).toMatchObject([{ path: '/v1/images/generations', billed: true }]);
		expect(requests[0].rawBody ?? requests[0].json).toBeUndefined();
		expect([sentImages.length, images.size]).toEqual([0, 0]);
	});
});
