import { Container } from '@n8n/di';
import { BinaryDataService } from 'n8n-core';

import { SIGNS_LINKS } from '../engine/differences';
import { bytesOf } from '../engine/runNode';
import { itemWithFile, runEdit, runGenerate } from '../nodes/local-runs';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server';
import { inputImage } from '../stepfun-server/test-requests';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer()));
afterEach(() => {
	server.reset();
	server.setFaults([]);
});
afterAll(async () => await server.close());

describe('Include Input Fields', () => {
	test('keeps JSON and files beside the result', async () => {
		const item = await itemWithFile(await inputImage(80, 60));
		const { items } = await runEdit(server, [{ ...item, json: { sku: 'A1', seed: 'own' } }], {
			outputField: 'edited',
			options: { includeInputFields: true, seed: 5 },
		});
		expect(items[0].json).toMatchObject({ sku: 'A1', seed: 5, finishReason: 'success' });
		expect(Object.keys(items[0].binary ?? {})).toEqual(['data', 'edited']);
	});

	test('is off by default', async () => {
		const { items } = await runGenerate(server, {}, { items: [{ sku: 'A1' }] });
		expect(items[0].json).not.toHaveProperty('sku');
	});
});

describe('File Name', () => {
	test.each([
		['={{ $json.sku }}-front', 'A1-front.png'],
		['shoe.jpg', 'shoe.png'],
		['../../etc/passwd', 'etc-passwd.png'],
		['C:\\con', 'C-con.png'],
		['con', '_con.png'],
		['a<b>:"c"|?*\u0000', 'a-b-c.png'],
		['椅子 红色', '椅子 红色.png'],
		['x'.repeat(300), `${'x'.repeat(120)}.png`],
		['...', 'a-red-shoe-1.png'],
		['  ', 'a-red-shoe-1.png'],
	])('%p becomes %p', async (fileName, expected) => {
		const { items } = await runGenerate(
			server,
			{ options: { fileName } },
			{ items: [{ sku: 'A1' }] },
		);
		expect(items[0].json.fileName).toBe(expected);
		expect(items[0].binary?.data.fileName).toBe(expected);
	});

	test('numbers several images', async () => {
		const { items } = await runGenerate(server, {
			options: { fileName: 'shoe', numberOfImages: 2 },
		});
		expect(items.map(({ json }) => json.fileName)).toEqual(['shoe-1.png', 'shoe-2.png']);
	});
});

(SIGNS_LINKS ? describe : describe.skip)('Temporary Link', () => {
	test('is signed by n8n for the stored image, and no file leaves the node', async () => {
		const { items } = await runGenerate(server, { output: 'n8nLink', linkLifetime: '1 hour' });
		const { json, binary } = items[0];
		expect(binary).toBeUndefined();
		expect(json).toMatchObject({ width: 1024, height: 1024, finishReason: 'success' });

		const link = new URL(json.link as string);
		expect(`${link.origin}${link.pathname}`).toBe('http://n8n.example/rest/binary-data/signed');
		const token = link.searchParams.get('token')!;
		const id = Container.get(BinaryDataService).validateSignedToken(token);
		const stored = await bytesOf({ id, data: '', mimeType: 'image/png' });
		expect(stored.equals(server.sentImages[0])).toBe(true);
		const { iat, exp } = JSON.parse(
			Buffer.from(token.split('.')[1], 'base64url').toString(),
		) as Record<string, number>;
		expect(exp - iat).toBe(3600);
	});

	test('cannot be made where n8n keeps files in memory; the paid image leaves as a file', async () => {
		const { items } = await runGenerate(server, { output: 'n8nLink' }, { binaryMode: 'default' });
		expect(items[0].json.link).toBeNull();
		expect((await bytesOf(items[0].binary?.data)).equals(server.sentImages[0])).toBe(true);
	});
});

(SIGNS_LINKS ? describe.skip : describe)('Temporary Link, in an n8n that cannot serve one', () => {
	test('is refused before anything is paid for', async () => {
		const { error } = await runGenerate(server, { output: 'n8nLink' });
		expect(error?.message).toBe("'Temporary Link' needs a newer n8n");
		expect(error?.description).toContain('Update n8n');
		expect(server.requests).toEqual([]);
	});
});

describe('When Moderated', () => {
	const passOn = { options: { whenModerated: 'passOn' } };

	test('a filtered image passes on without image, charged', async () => {
		server.setFaults([{ when: { nth: 1 }, fault: { contentFiltered: true } }]);
		const { items, error } = await runGenerate(server, passOn, { items: [{}, {}] });
		expect(error).toBeUndefined();
		const moderated = items.find(({ json }) => json.finishReason === 'content_filtered');
		expect(moderated?.json).toMatchObject({ charged: true, moderation: null, tries: 1 });
		expect(moderated?.binary).toBeUndefined();
		expect(items.filter(({ json }) => json.finishReason === 'success')).toHaveLength(1);
	});

	test("a refused prompt passes on, not charged, with the service's words", async () => {
		const { items, error } = await runGenerate(server, {
			...passOn,
			prompt: 'a forbidden-451 thing',
		});
		expect(error).toBeUndefined();
		expect(items[0].json).toMatchObject({ finishReason: 'refused', charged: false });
		expect(items[0].json.moderation).toEqual(expect.stringMatching(/.+/));
		expect(items[0].pairedItem).toEqual({ item: 0 });
	});

	test('other failures stay failures', async () => {
		server.setFaults([{ fault: { status: 400 } }]);
		const { error } = await runGenerate(server, passOn);
		expect(error?.httpCode).toBe('400');
	});
});
