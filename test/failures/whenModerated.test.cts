import { runGenerate } from '../kit/localRuns.cts';
import { SIGNS_LINKS } from '../kit/n8nDifferences.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer({ drawing: 'once' })));
afterEach(() => {
	server.reset();
	server.setFaults([]);
});
afterAll(async () => await server.close());

describe('When Moderated', () => {
	const passOn = { options: { whenModerated: 'passOn' } };

	test('A filtered image passes on without an image and as charged', async () => {
		server.setFaults([{ when: { nth: 1 }, fault: { contentFiltered: true } }]);
		const { items, error } = await runGenerate(server, passOn, { items: [{}, {}] });
		expect(error).toBeUndefined();
		const moderated = items.find(({ json }) => json.finishReason === 'content_filtered');
		expect(moderated?.json).toMatchObject({ charged: true, moderation: null, tries: 1 });
		expect(moderated?.binary).toBeUndefined();
		expect(items.filter(({ json }) => json.finishReason === 'success')).toHaveLength(1);
	});

	test("A refused prompt passes on as not charged, with the service's words", async () => {
		const { items, error } = await runGenerate(server, {
			...passOn,
			prompt: 'a forbidden-451 thing',
		});
		expect(error).toBeUndefined();
		expect(items[0].json).toMatchObject({ finishReason: 'refused', charged: false });
		expect(items[0].json.moderation).toEqual(expect.stringMatching(/.+/));
		expect(items[0].pairedItem).toEqual({ item: 0 });
	});

	test.each<[string, object]>([
		['url', { url: null, link: '/row' }],
		...(SIGNS_LINKS
			? [['fileAndN8nLink', { url: 'https://shop.example', link: null }] as [string, object]]
			: []),
		['file', { url: 'https://shop.example', link: '/row' }],
	])('With the output %s, the item has the links %j', async (output, links) => {
		const { items } = await runGenerate(
			server,
			{ ...passOn, output, prompt: 'a forbidden-451 thing' },
			{ items: [{ url: 'https://shop.example', link: '/row' }] },
		);
		expect(items[0].json).toMatchObject({ ...links, finishReason: 'refused' });
	});

	test('Passing on moderated items does not hide other failures', async () => {
		server.setFaults([{ fault: { status: 400 } }]);
		const { error } = await runGenerate(server, passOn);
		expect(error?.httpCode).toBe('400');
	});
});
