import { FOLDER_TEST_FILE } from '../n8n/example.cts';
import { deepStrictEqual, match, ok } from 'node:assert';
import { readdir } from 'node:fs/promises';
import { TOOL_ARGUMENTS, type ChatServer } from './chatServer.cts';
import { checkPng, type FinishedRun } from '../kit/finishedRun.cts';
import { inputImage } from '../stepfun-server/testRequests.cts';

/** What must come out of an example. Fails, or returns a line about what it found. */
type Check = (run: FinishedRun, chat: ChatServer) => Promise<string>;

/** An example, and what is expected of it. */
export interface ExpectedRun {
	/** The file's name in examples/, without its extension. */
	example: string;
	/** Runs it with the account that can pay for two images only. */
	withShortAccount?: boolean;
	/** The files that are in the folder before the run. */
	files?: () => Promise<Record<string, Buffer>>;
	/** Tells the workflow to write to a folder that is not there. */
	withoutFolder?: boolean;
	/** The execution has to end as failed. */
	fails?: boolean;
	check: Check;
}

function checkCount(items: unknown[], wanted: number, what: string): void {
	deepStrictEqual(items.length, wanted, `${items.length} ${what} instead of ${wanted}`);
}

/** Fails unless the workflow wrote this many images, not counting the file that tests the folder. */
async function checkFileCount({ filesFolder }: FinishedRun, pictures: number): Promise<void> {
	const files = await readdir(filesFolder);
	checkCount(
		files.filter((file) => file !== FOLDER_TEST_FILE),
		pictures,
		'files',
	);
}

/** A folder that cannot be written to ends the run before anything is paid for. */
const checkNothingPaid =
	(nodes: string[]): Check =>
	async (run) => {
		ok(run.errorMessage, 'the run has no error');
		for (const node of nodes) checkCount(run.items(node), 0, `items of ${node}`);
		return `stopped before the first image: "${run.errorMessage}"`;
	};

const checkProductPhotos: Check = async (run) => {
	const photos = run.items('Generate Photo');
	const scenes = run.items('Put Into Scene');
	checkCount(photos, 4, 'photos');
	checkCount(scenes, 4, 'scenes');
	await run.checkPictures([...photos, ...scenes]);
	await checkFileCount(run, 8);
	return '4 products, 8 files';
};

const checkProductBackgrounds: Check = async (run) => {
	deepStrictEqual(run.values('Rows', 'sku'), ['LAMP-01', 'TEA-07', 'SHOE-12']);
	deepStrictEqual(
		run.values('Rows', 'look')[0],
		'a slim arm of dark walnut wood, a round brass shade',
	);
	checkCount(run.items('Product Photo'), 3, 'photos');
	await run.checkPictures(run.items('Change Background'));
	const size = '1024x1024';
	await run.checkFiles({
		'LAMP-01-plain-white.png': size,
		'LAMP-01-a-tidy-writing-desk-at-dusk.png': size,
		'TEA-07-plain-white.png': size,
		'TEA-07-a-low-table-by-a-window-in-morning-light.png': size,
		'SHOE-12-plain-white.png': size,
		'SHOE-12-a-mossy-rock-beside-a-forest-path.png': size,
	});
	await checkFileCount(run, 6);
	return '3 rows, 6 files';
};

const checkBanners: Check = async (run) => {
	const banners = run.items('Generate Banner');
	checkCount(banners, 6, 'banners');
	for (const { json } of banners) {
		deepStrictEqual(`${String(json.width)}x${String(json.height)}`, json.size);
	}
	const sizes = ['1360x768', '1024x1024', '768x1360'];
	await run.checkFiles(
		Object.fromEntries(
			['summer-sale', 'new-arrivals'].flatMap((campaign) =>
				sizes.map((size) => [`${campaign}-${size}.png`, size]),
			),
		),
	);
	await checkFileCount(run, 6);
	return '2 campaigns in 3 sizes, 6 files of the right size';
};

const checkFolder: Check = async (run) => {
	await run.checkFiles({ 'front-edited-1.png': '120x90', 'side-edited-3.png': '90x120' });
	deepStrictEqual(run.values('Failed Photos', 'photo'), ['note.jpg']);
	match(String(run.values('Failed Photos', 'error')[0]), /is not an image that can be edited/);
	return '3 photos, 2 edited files, and the other one listed with its error';
};

const checkVariations: Check = async (run) => {
	await run.checkPictures(run.items('Generate Variations'));
	deepStrictEqual(run.values('Generate Variations', 'seed'), [300, 301, 302, 303]);
	deepStrictEqual(run.values('Assign Letter', 'variation'), ['A', 'B', 'C', 'D']);
	deepStrictEqual(run.values('Finish', 'variation'), ['A', 'C']);
	deepStrictEqual(run.values('Finish', 'fileName'), ['coffee-A.png', 'coffee-C.png']);
	await run.checkPictures(run.items('Finish'));
	return '4 variations, A and C picked and finished';
};

const checkModeration: Check = async (run) => {
	deepStrictEqual(run.values('Generate Image', 'finishReason'), [
		'success',
		'refused',
		'content_filtered',
	]);
	deepStrictEqual(run.values('Generate Image', 'charged'), [undefined, false, true]);
	deepStrictEqual(run.values('Ask for Another Prompt', 'finishReason'), ['refused']);
	deepStrictEqual(run.values('Record the Cost', 'finishReason'), ['content_filtered']);
	const pictures = run.items('Use Image');
	checkCount(pictures, 1, 'images');
	await run.checkPictures(pictures);
	return '1 image, 1 refused, 1 held back, each on its branch';
};

const checkEnoughBalance: Check = async (run) => {
	const pictures = run.items('Generate Image');
	checkCount(pictures, 3, 'images');
	await run.checkPictures(pictures);
	deepStrictEqual(run.values('Amount Spent', 'spent'), [0.06]);
	checkCount(run.items('Stop'), 0, 'items at Stop');
	return '3 images, 0.06 yuan spent';
};

const checkShortBalance: Check = async (run) => {
	match(run.errorMessage ?? '', /needs 3 images, but the balance is enough for only 2/);
	checkCount(run.items('Generate Image'), 0, 'images');
	return `stopped before the first image: "${run.errorMessage}"`;
};

const checkResumableBatch: Check = async (run) => {
	const rows = run.items('Mark Row');
	checkCount(rows, 400, 'rows');
	for (const { json } of rows) match(String(json.result), /\/row-\d{4}\.png$/);
	deepStrictEqual(new Set(run.values('Mark Row', 'result')).size, 400);
	await checkFileCount(run, 400);
	return '400 rows, each with a file of its own';
};

const checkAgent: Check = async (run, chat) => {
	const [declared] = chat.requests[0]?.tools ?? [];
	deepStrictEqual(declared?.function.name, 'StepFun_Image');
	match(declared.function.description ?? '', /returns a link to it\. Each call may cost money/);
	deepStrictEqual(
		Object.keys(declared.function.parameters.properties ?? {}),
		Object.keys(TOOL_ARGUMENTS),
	);
	const [answer] = run.values('Agent', 'output');
	const link = /http\S+/.exec(String(answer))?.[0];
	ok(link, `the agent's answer has no link: ${String(answer)}`);
	const opened = await fetch(link);
	ok(opened.ok, `the link opens with ${opened.status}`);
	match(opened.headers.get('content-type') ?? '', /^image\/png/);
	checkPng(Buffer.from(await opened.arrayBuffer()), TOOL_ARGUMENTS.Size);
	return `${chat.requests.length} turns, and the answer's link opens a ${TOOL_ARGUMENTS.Size} PNG`;
};

/** Every example in examples/, and what is expected of it. */
export const EXPECTED_RUNS: ExpectedRun[] = [
	{ example: 'product-photos', check: checkProductPhotos },
	{ example: 'product-backgrounds', check: checkProductBackgrounds },
	{ example: 'banners-with-lettering', check: checkBanners },
	...[
		{ example: 'product-photos', nodes: ['Generate Photo'] },
		{ example: 'product-backgrounds', nodes: ['Product Photo'] },
		{ example: 'banners-with-lettering', nodes: ['Generate Banner'] },
		{ example: 'resumable-batch', nodes: ['Generate Image'] },
		{ example: 'edit-folder', nodes: ['Edit Photo'] },
	].map(
		({ example, nodes }): ExpectedRun => ({
			example,
			withoutFolder: true,
			fails: true,
			check: checkNothingPaid(nodes),
		}),
	),
	{
		example: 'edit-folder',
		files: async () => ({
			'photos/front.JPG': await inputImage(120, 90, 'jpeg'),
			'photos/note.jpg': Buffer.from('not a photo'),
			'photos/side.png': await inputImage(90, 120),
		}),
		check: checkFolder,
	},
	{ example: 'ab-variations', check: checkVariations },
	{ example: 'moderation-branch', check: checkModeration },
	{ example: 'balance-check', check: checkEnoughBalance },
	{ example: 'balance-check', withShortAccount: true, fails: true, check: checkShortBalance },
	{ example: 'agent-with-image-tool', check: checkAgent },
	{ example: 'resumable-batch', check: checkResumableBatch },
];
