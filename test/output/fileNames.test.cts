import { inputImage, itemWithFile } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer({ drawing: 'once' })));
afterEach(() => server.reset());
afterAll(async () => await server.close());

describe('File names made by the node', () => {
	test.each([
		['A red shoe', 'a-red-shoe-1.png'],
		['../../etc/passwd', 'etc-passwd-1.png'],
		['一只红色的鞋，白色背景', '一只红色的鞋-白色背景-1.png'],
		['Café “Crème”: 50% off!', 'café-crème-50-off-1.png'],
		['👟 !?', 'image-1.png'],
		['CON', 'con-1.png'],
		[
			'a very long prompt that goes on and on about a single red shoe',
			'a-very-long-prompt-that-goes-on-and-on-about-a-1.png',
		],
	])('The prompt %s becomes the file name %s', async (prompt, fileName) => {
		const { items } = await runGenerate(
			server,
			{ prompt: '={{ $json.prompt }}' },
			{ items: [{ prompt }] },
		);
		expect(items[0].json.fileName).toBe(fileName);
		expect(items[0].binary?.data.fileName).toBe(fileName);
	});

	test.each([
		['shoe.png', 'shoe-edited-1.png'],
		['IMG 0042.final.JPG', 'img-0042-final-edited-1.png'],
		['红鞋.webp', '红鞋-edited-1.png'],
		['noextension', 'noextension-edited-1.png'],
		// n8n's HTTP Request node takes the name from the address as it is.
		['%E7%BA%A2%20%E9%9E%8B.jpg', '红-鞋-edited-1.png'],
		['50%.jpg', '50-edited-1.png'],
	])('An edit of %s is named %s', async (input, fileName) => {
		const item = await itemWithFile(await inputImage(64, 64), input);
		const { items } = await runEdit(server, [item]);
		expect(items[0].json.fileName).toBe(fileName);
	});

	test('No image of a loop has the name of an earlier one', async () => {
		const options = { numberOfImages: '={{ $runIndex === 1 ? 1 : 2 }}' };
		const { run } = await runGenerate(server, { options }, { items: [{}, {}], runs: 3 });
		const names = run.data.resultData.runData['StepFun Image'].map(({ data }) =>
			data?.main[0]?.map(({ json }) => json.fileName),
		);
		expect(names).toEqual([
			['a-red-shoe-1-1.png', 'a-red-shoe-1-2.png', 'a-red-shoe-2-1.png', 'a-red-shoe-2-2.png'],
			['a-red-shoe-run2-1.png', 'a-red-shoe-run2-2.png'],
			[1, 2].flatMap((item) => [1, 2].map((image) => `a-red-shoe-run3-${item}-${image}.png`)),
		]);
	});
});

describe('Option File Name', () => {
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
	])('The File Name %p becomes the file name %p', async (fileName, expected) => {
		const { items } = await runGenerate(
			server,
			{ options: { fileName } },
			{ items: [{ sku: 'A1' }] },
		);
		expect(items[0].json.fileName).toBe(expected);
		expect(items[0].binary?.data.fileName).toBe(expected);
	});

	test('A File Name for several images gets their numbers', async () => {
		const { items } = await runGenerate(server, {
			options: { fileName: 'shoe', numberOfImages: 2 },
		});
		expect(items.map(({ json }) => json.fileName)).toEqual(['shoe-1.png', 'shoe-2.png']);
	});
});

test.each([
	['an object', '={{ { name: "shoe" } }}'],
	['a list', '={{ ["shoe"] }}'],
])('A File Name that is %s is refused before anything is sent', async (kind, fileName) => {
	const { error } = await runGenerate(server, { options: { fileName } });
	expect(error?.message).toBe(`'File Name' must be text, but is ${kind}`);
	expect(server.requests).toEqual([]);
});
