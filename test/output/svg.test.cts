import { startHostileServer, imageResponse, linkResponse } from '../kit/hostileServer.cts';
import type { HostileServer } from '../kit/hostileServer.cts';
import { itemWithFile } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { bytesOf } from '../kit/runNode.cts';

// OpenAI's GPT Image 2.6 returns SVG as Base64, and Recraft's vector models return it at a link.

const DRAWING =
	'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>\n';
const DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n';

let server: HostileServer;
beforeAll(async () => (server = await startHostileServer()));
beforeEach(() => (server.requests.length = 0));
afterAll(async () => await server.close());

/** Sends a file in the Base64 of a response, at a link, or as the response itself. */
const WAYS: Array<[string, (file: string) => void]> = [
	[
		'Base64',
		(file) =>
			server.attackWith((_request, response) => {
				response.end(imageResponse(Buffer.from(file).toString('base64')));
			}),
	],
	[
		'a link',
		(file) =>
			server.attackWith(({ url }, response) => {
				response.end(url === '/1.svg' ? file : linkResponse(`${server.origin}/1.svg`));
			}),
	],
	['a response', (file) => server.attackWith((_request, response) => void response.end(file))],
];

describe.each(WAYS)('A file in %s', (_way, send) => {
	test.each([
		['at the beginning', DRAWING],
		['after a declaration', DECLARATION + DRAWING],
		['after a byte order mark', `\uFEFF${DECLARATION}${DRAWING}`],
		[
			'after comments and a document type',
			`${DECLARATION}<!-- ${'made by a drawing program '.repeat(20)} --><!--2-->
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [
	<!ENTITY red "#f00">
]>
${DRAWING}`,
		],
		['of some size', DRAWING.replace('<path', `<desc>${'long '.repeat(50_000)}</desc><path`)],
	])('is an SVG with its root element %s', async (_where, file) => {
		send(file);
		const { items, error } = await runGenerate(server, { options: { fileName: 'logo.svg' } });
		expect(error?.message).toBeUndefined();
		expect(items[0].json).toMatchObject({
			fileName: 'logo.svg',
			mimeType: 'image/svg+xml',
			width: null,
			height: null,
		});
		expect(items[0].json).not.toHaveProperty('requestedSize');
		expect((await bytesOf(items[0].binary?.data)).toString()).toBe(file);
	});

	test.each([
		['a page with an SVG in it', `<!DOCTYPE html><html>${DRAWING}</html>`],
		['a page that begins with a comment', `<!-- login --><html><body>${DRAWING}</body></html>`],
		['an error in XML', `${DECLARATION}<Error><Code>AccessDenied</Code>${DRAWING}</Error>`],
		['XML without a root element', DECLARATION + ' '.repeat(5000) + DRAWING],
		['another element', '<svgfont/>'],
	])('is not an SVG if it is %s', async (_what, file) => {
		send(file);
		const { items, error } = await runGenerate(server, { options: { maxTries: 1 } });
		expect(items).toEqual([]);
		expect(error?.message).toMatch(/not (an image|as an image API)/);
	});

	test('is incomplete if the root element does not end', async () => {
		send(DRAWING.slice(0, -10));
		const { items, error } = await runGenerate(server, { options: { maxTries: 1 } });
		expect(items).toEqual([]);
		expect(error?.message).toContain('The image file is incomplete');
	});
});

test('An SVG is not an input image, because it has no pixels to edit', async () => {
	for (const mimeType of ['image/svg+xml', 'application/octet-stream']) {
		const item = await itemWithFile(Buffer.from(DECLARATION + DRAWING), 'logo.svg', mimeType);
		const { error } = await runEdit(server, [item], { model: 'own-model' });
		expect(error?.message).toBe("The file in 'data' is not an image that can be edited");
	}
	expect(server.requests).toEqual([]);
});
