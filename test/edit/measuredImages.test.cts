import type { INodeExecutionData, INodeParameters } from 'n8n-workflow';

import {
	afterJpegStart,
	bmp,
	heif,
	jpegSegment,
	SIGNATURE_ONLY,
	tiff,
	withFillBytes,
} from '../kit/craftedImages.cts';
import { imageResponse, startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage } from '../kit/images.cts';
import { runEdit } from '../kit/localRuns.cts';
import { storeFile, type BinaryMode } from '../kit/runNode.cts';

let server: HostileServer;
let picture: Buffer;
/** What the address in Image URL brings. */
let file: Buffer;

beforeAll(async () => {
	picture = await inputImage(64, 64);
	server = await startHostileServer();
});
beforeEach(() => {
	server.attackWith((request, response) => {
		response.end(request.method === 'GET' ? file : imageResponse(picture.toString('base64')));
	});
});
afterAll(async () => await server.close());

const uploads = () => server.requests.filter(({ method }) => method === 'POST');

type Source = 'filesystem' | 'default' | 'url' | 'text';
const SOURCES: Source[] = ['filesystem', 'default', 'url', 'text'];

async function editFrom(source: Source, image: Buffer, parameters: INodeParameters) {
	file = image;
	const isBinary = source === 'filesystem' || source === 'default';
	const binaryMode: BinaryMode = source === 'default' ? 'default' : 'filesystem';
	const item: INodeExecutionData = isBinary
		? { json: {}, binary: { data: await storeFile(image, 'shoe', 'image/x', binaryMode) } }
		: { json: { image: image.toString('base64') } };
	return await runEdit(
		server,
		[item],
		{
			...(source === 'url' ? { inputSource: 'url', inputUrl: `${server.origin}/shoe` } : {}),
			...(source === 'text' ? { inputSource: 'text', inputText: '={{ $json.image }}' } : {}),
			options: { maxTries: 1 },
			...parameters,
		},
		{ binaryMode },
	);
}

const jpegWithMuchBefore = async (width: number, height: number) =>
	afterJpegStart(
		await inputImage(width, height, 'jpeg'),
		...Array<Buffer>(35).fill(jpegSegment(0xe2, Buffer.alloc(60_000, 1))),
	);

describe.each(SOURCES)('Edit: images from %s whose size is hard to find', (source) => {
	test.each<[string, () => Buffer | Promise<Buffer>]>([
		['a JPEG with fill bytes', async () => withFillBytes(await inputImage(80, 60, 'jpeg'))],
		['a JPEG with 2 MB before its size', async () => await jpegWithMuchBefore(80, 60)],
		['a TIFF with its directory at the end', () => tiff({ width: 1500, height: 1000 })],
		['a BigTIFF', () => tiff({ width: 80, height: 60, isBig: true })],
		['an OS/2 BMP', () => bmp(80, 60, 'os2')],
		['a HEIF of another brand', () => heif(80, 60, 'mif1\0\0\0\0mif1heic')],
	])('%s is edited by a model that has limits', async (_what, make) => {
		const image = await make();
		const { error } = await editFrom(source, image, { model: 'step-image-edit-2' });
		expect(error?.message).toBeUndefined();
		expect(uploads()).toHaveLength(1);
		expect(uploads()[0].body.includes(image)).toBe(true);
	});

	test.each<[string, () => Buffer | Promise<Buffer>, string]>([
		[
			'a JPEG with 2 MB before its size',
			async () => await jpegWithMuchBefore(4097, 60),
			'4097 × 60',
		],
		['a TIFF', () => tiff({ width: 300, height: 4097 }), '300 × 4097'],
		['an OS/2 BMP', () => bmp(4097, 60, 'os2'), '4097 × 60'],
	])('%s is refused if it is too large', async (_what, make, size) => {
		const { error } = await editFrom(source, await make(), { model: 'step-image-edit-2' });
		expect(error?.message).toMatch(/^The image in '.*' is too large: /);
		expect(error?.message).toContain(`${size} pixels`);
		expect(uploads()).toEqual([]);
	});

	test.each(Object.entries(SIGNATURE_ONLY))(
		'A %s without a size is edited by a model without limits, and refused by one with limits',
		async (_format, image) => {
			const refused = await editFrom(source, image, { model: 'step-image-edit-2' });
			expect(refused.error?.message).toMatch(/^The size of the image in '.*' cannot be read$/);
			expect(uploads()).toEqual([]);

			const { error } = await editFrom(source, image, { model: 'other-model' });
			expect(error?.message).toBeUndefined();
			expect(uploads()[0].body.includes(image)).toBe(true);
		},
	);

	test.each(['png', 'jpeg', 'webp'] as const)(
		'A %s that breaks off is refused, also by a model without limits',
		async (format) => {
			const image = await inputImage(400, 300, format);
			for (const model of ['step-image-edit-2', 'other-model']) {
				for (const bytes of [60, image.length / 2, image.length - 20]) {
					const { error } = await editFrom(source, image.subarray(0, bytes), { model });
					expect(error?.message).toMatch(/^The image in '.*' breaks off in the middle$/);
				}
			}
			expect(uploads()).toEqual([]);
		},
	);

	test('An empty file is called empty', async () => {
		const { error } = await editFrom(source, Buffer.alloc(0), { model: 'step-image-edit-2' });
		expect(error?.message).toBe(
			{
				filesystem: "The file in 'data' is empty",
				default: "The file in 'data' is empty",
				url: "The file at 'Image URL' is empty",
				text: "'Base64 Text' is empty",
			}[source],
		);
		expect(uploads()).toEqual([]);
	});
});

test('Edit: a data URI without content is called empty', async () => {
	const { error } = await runEdit(server, [{ json: {} }], {
		inputSource: 'text',
		inputText: 'data:image/png;base64,',
	});
	expect(error?.message).toBe("'Base64 Text' is empty");
});
