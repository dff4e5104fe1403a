import { inputImage, itemWithFile } from '../kit/images.cts';
import { runEdit } from '../kit/localRuns.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer()));
afterEach(() => server.reset());
afterAll(async () => await server.close());

describe('Edit: several input images of one item', () => {
	test('An asterisk as Input Data Field Name edits the files of the item, not JSON that looks like a file', async () => {
		const { binary } = await itemWithFile(await inputImage(80, 60), 'front.png');
		const inlineData = { mimeType: 'image/png', data: 'iVBORw0KGgo=' };
		const { error } = await runEdit(server, [{ json: { part: { inlineData } }, binary }], {
			binaryPropertyName: '*',
		});
		expect(error?.message).toBeUndefined();
		expect(server.requests.map(({ file }) => file?.name)).toEqual(['front.png']);
	});

	test('The names of fields that an error offers leave out JSON that looks like a file', async () => {
		const { binary } = await itemWithFile(await inputImage(80, 60), 'front.png');
		const inlineData = { mimeType: 'image/png', data: 'iVBORw0KGgo=' };
		const { error } = await runEdit(server, [{ json: { inlineData }, binary }], {
			binaryPropertyName: 'image',
		});
		expect(error?.description).toBe('The item has: data. Enter one of these names.');
	});

	test.each([
		['names with commas between them', 'front, back', ['front.png', 'back.png']],
		['all images of the item', '*', ['front.png', 'back.png']],
		['one of them', 'back', ['back.png']],
	])('Input Data Field Name as %s edits each image', async (_what, binaryPropertyName, sent) => {
		const front = await itemWithFile(await inputImage(80, 60), 'front.png');
		const back = await itemWithFile(await inputImage(60, 80), 'back.png');
		const note = await itemWithFile(Buffer.from('not an image'), 'note.txt', 'text/plain');
		const { items, error } = await runEdit(
			server,
			[
				{
					json: {},
					binary: {
						front: front.binary!.data,
						back: back.binary!.data,
						note: note.binary!.data,
					},
				},
			],
			{ binaryPropertyName },
		);
		expect(error?.message).toBeUndefined();
		expect(server.requests.map(({ file }) => file?.name).sort()).toEqual([...sent].sort());
		expect(items.map(({ json }) => json.fileName)).toEqual(
			sent.map((name, index) =>
				sent.length === 1
					? `${name.replace('.png', '')}-edited-1.png`
					: `${name.replace('.png', '')}-edited-1-${index + 1}.png`,
			),
		);
	});

	test('An asterisk also finds images that are stored as application/octet-stream', async () => {
		const stored = async (file: Buffer, name: string) =>
			(await itemWithFile(file, name, 'application/octet-stream')).binary!.data;
		const binary = {
			front: await stored(await inputImage(80, 60), 'front'),
			list: await stored(Buffer.from('a list of products'), 'list'),
		};
		const { error } = await runEdit(server, [{ json: {}, binary }], { binaryPropertyName: '*' });
		expect(error?.message).toBeUndefined();
		expect(server.requests.map(({ file }) => [file?.name, file?.type])).toEqual([
			['front', 'image/png'],
		]);
	});

	test('A missing field among several input fields is named before anything is sent', async () => {
		const item = await itemWithFile(await inputImage(80, 60));
		const { error } = await runEdit(server, [item], { binaryPropertyName: 'data, side' });
		expect(error?.message).toBe(
			"'Input Data Field Name' is 'side', but this item has no such binary field",
		);
		expect(server.requests).toEqual([]);
	});
});
