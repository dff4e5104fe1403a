import { Container } from '@n8n/di';
import { BinaryDataService } from 'n8n-core';

import { SIGNS_LINKS } from '../kit/n8nDifferences.cts';
import { bytesOf } from '../kit/runNode.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer()));
afterEach(() => server.reset());
afterAll(async () => await server.close());

(SIGNS_LINKS ? describe : describe.skip)('Output: Temporary Link', () => {
	test('n8n signs a Temporary Link for the stored image, and the node returns no file', async () => {
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

	test('Image File and Temporary Link returns the file and a link to it', async () => {
		const { items } = await runGenerate(server, {
			output: 'fileAndN8nLink',
			outputField: 'photo',
			linkLifetime: '7 days',
		});
		const { json, binary } = items[0];
		expect(Object.keys(binary ?? {})).toEqual(['photo']);
		expect((await bytesOf(binary?.photo)).equals(server.sentImages[0])).toBe(true);

		const token = new URL(json.link as string).searchParams.get('token')!;
		const id = Container.get(BinaryDataService).validateSignedToken(token);
		expect(id).toBe(binary?.photo.id);
		const { iat, exp } = JSON.parse(
			Buffer.from(token.split('.')[1], 'base64url').toString(),
		) as Record<string, number>;
		expect(exp - iat).toBe(7 * 24 * 3600);
		expect(json).not.toHaveProperty('url');
		expect(server.requests[0].json).toMatchObject({ response_format: 'b64_json' });
		expect(server.resultRequests).toEqual([]);
	});

	test('Image File and Temporary Link returns the files of several images in one item', async () => {
		const { items } = await runGenerate(server, {
			output: 'fileAndN8nLink',
			options: { numberOfImages: 2, severalImagesAs: 'fields' },
		});
		expect(items).toHaveLength(1);
		const images = items[0].json.images as Array<{ field: string; link: string }>;
		expect(images.map(({ field }) => field)).toEqual(['data_1', 'data_2']);
		expect(Object.keys(items[0].binary ?? {})).toEqual(['data_1', 'data_2']);
		for (const { field, link } of images) {
			const token = new URL(link).searchParams.get('token')!;
			const id = Container.get(BinaryDataService).validateSignedToken(token);
			expect(id).toBe(items[0].binary?.[field].id);
		}
	});

	test.each(['n8nLink', 'fileAndN8nLink'])(
		'The link of %s cannot be made if n8n keeps files in memory; the paid image is returned as a file',
		async (output) => {
			const { items } = await runGenerate(server, { output }, { binaryMode: 'default' });
			expect(items[0].json.link).toBeNull();
			expect((await bytesOf(items[0].binary?.data)).equals(server.sentImages[0])).toBe(true);
		},
	);
});

(SIGNS_LINKS ? describe.skip : describe)('Output: Temporary Link in an older n8n', () => {
	test('A Temporary Link is refused before anything is charged if n8n cannot serve one', async () => {
		const { error } = await runGenerate(server, { output: 'n8nLink' });
		expect(error?.message).toBe("'Temporary Link' needs a newer n8n");
		expect(error?.description).toContain('Update n8n');
		expect(server.requests).toEqual([]);
	});
});
