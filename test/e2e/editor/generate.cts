import { deepStrictEqual, match, ok, strictEqual } from 'node:assert';
import {
	findModel,
	modelsFor,
	sizeLabel,
	sizeValue,
	type ImageSize,
} from '../../../nodes/StepFunImage/catalogue/models';
import { checkMissingList, checkModels } from './modelFields.cts';
import { checkResult, countImageRequests, lastImageRequest } from './results.cts';
import type { Session } from './session.cts';

/** What the node on the canvas is called after its action. */
export const GENERATE_NODE = 'Generate image';

export const PROMPT = 'A red running shoe on white marble, soft morning light';

/** The local server refuses a prompt with this word, as StepFun's moderation would. */
const REFUSED_WORD = 'forbidden-451';

const [STANDARD, OTHER] = modelsFor('generate');
const MODELS = [STANDARD.id, OTHER.id];

function landscapeOf(modelId: string): ImageSize {
	const sizes = findModel(modelId)?.operations.generate?.sizes ?? [];
	const size = sizes.find(({ orientation }) => orientation === 'Landscape');
	ok(size, `${modelId} has no landscape size`);
	return size;
}

/** Sets up Generate in the open panel, runs it with two models, and lets it fail. */
export async function useGenerate(session: Session): Promise<void> {
	const { editor, log, shoot } = session;
	deepStrictEqual(await editor.readFieldLabels(), [
		'Credential',
		'Resource',
		'Operation',
		'Model',
		'Prompt',
		'Size',
		'Output',
		'Put Output File in Field',
		'Options',
	]);
	await shoot('generate-fresh');
	log(`Generate: ${await checkModels(editor, 'generate', MODELS)}`);
	await useModelList(session);

	await editor.fill('prompt', PROMPT);
	await editor.choose('size', sizeLabel(landscapeOf(STANDARD.id)));
	for (const option of ['Steps', 'CFG Scale', 'Negative Prompt', 'Text Mode']) {
		await editor.addOption(option);
	}
	strictEqual(await editor.readField('steps'), String(STANDARD.capabilities.steps.default));
	strictEqual(await editor.readSwitch('textMode'), true);
	await editor.fill('negativePrompt', 'blurry, watermark');
	const notice = editor.panel.getByText('The negative prompt has no effect');
	await notice.waitFor();
	await shoot('generate-options');
	await editor.fill('cfgScale', '3');
	await notice.waitFor({ state: 'hidden' });

	await run(session);
	const { model, prompt, size, negative_prompt, cfg_scale } = bodyOf(session);
	deepStrictEqual(
		{ model, prompt, size, negative_prompt, cfg_scale },
		{
			model: STANDARD.id,
			prompt: PROMPT,
			size: landscapeOf(STANDARD.id).apiValue,
			negative_prompt: 'blurry, watermark',
			cfg_scale: 3,
		},
	);
	await checkResult(session, sizeValue(landscapeOf(STANDARD.id)), 'generate-picture');

	await useOtherModel(session);
	await useRefusedPrompt(session);
	await checkMissingList(session, GENERATE_NODE);
}

/** Enters the ID of a model that no list has, and chooses from the list again. */
async function useModelList({ editor, shoot }: Session): Promise<void> {
	await editor.chooseModelMode('By ID');
	await editor.fillModel('our-own-model');
	strictEqual(await editor.panel.getByTestId('parameter-issues').count(), 0);
	await shoot('generate-own-model');
	await editor.chooseModelMode('From list');
	await editor.chooseModel(STANDARD.id);
}

/** Switches to a model without that size and those options, to Edit and back, and gets an image at last. */
async function useOtherModel(session: Session): Promise<void> {
	const { editor, shoot } = session;
	const set = { negativePrompt: 'blurry, watermark', cfgScale: '3.0', steps: '8' };
	const checkKept = async () => {
		for (const [name, value] of Object.entries(set)) {
			strictEqual(await editor.readField(name), value, `${name} is lost`);
		}
	};
	await editor.chooseModel(OTHER.id);
	await checkKept();
	for (const words of [
		'does not support negative prompts',
		'does not support text mode',
		'Steps is 8',
	]) {
		await editor.panel.getByText(words).waitFor();
	}
	await editor.panel.getByTestId('parameter-issues').waitFor();
	await shoot('generate-model-without-size');

	const asked = countImageRequests(session);
	await refuse(
		session,
		`'Size' ${sizeValue(landscapeOf(STANDARD.id))} is not a size of ${OTHER.id}`,
		`${sizeValue(landscapeOf(OTHER.id))} (Landscape`,
	);
	await shoot('generate-bad-size');
	await editor.choose('size', sizeLabel(landscapeOf(OTHER.id)));
	await refuse(session, `'Negative Prompt' is not available for ${OTHER.id}`, 'Remove the option');
	await shoot('generate-bad-option');

	await editor.choose('operation', 'Edit');
	await editor.panel.getByText(`${OTHER.id} does not offer Edit`).waitFor();
	strictEqual(await editor.readModel(), OTHER.id);
	await checkKept();
	strictEqual(await editor.readField('size'), sizeValue(landscapeOf(OTHER.id)));
	await shoot('edit-model-not-offered');
	await editor.choose('operation', 'Generate');
	strictEqual(await editor.readModel(), OTHER.id);
	await checkKept();
	strictEqual(countImageRequests(session), asked, 'the server was asked for what is refused');

	for (const option of ['negativePrompt', 'textMode']) await editor.removeOption(option);
	await run(session);
	const { model, size, ...rest } = bodyOf(session);
	deepStrictEqual([model, size], [OTHER.id, landscapeOf(OTHER.id).apiValue]);
	ok(!('negative_prompt' in rest) && !('text_mode' in rest), Object.keys(rest).join());
	await checkResult(session, sizeValue(landscapeOf(OTHER.id)), 'generate-other-model');
}

/** Runs the node. Fails unless it refuses to, in these words. */
async function refuse({ editor }: Session, wanted: string, advice: string): Promise<void> {
	strictEqual(await editor.executeStep(), 'error');
	const { message, description } = await editor.readError();
	strictEqual(message, wanted);
	ok(description.includes(advice), description);
}

/** A prompt that moderation refuses, and then the first model and prompt again. */
async function useRefusedPrompt(session: Session): Promise<void> {
	const { editor, server, shoot, log } = session;
	await editor.chooseModel(STANDARD.id);
	await editor.choose('size', sizeLabel(landscapeOf(STANDARD.id)));
	await editor.fill('prompt', `A picture of ${REFUSED_WORD} things`);
	const billed = server.billed.length;
	strictEqual(await editor.executeStep(), 'error');
	const { message, description } = await editor.readError();
	log(`a refused prompt: "${message}" / "${description}"`);
	strictEqual(message, 'Moderation refused the request: The prompt did not pass moderation');
	match(description, /^Change the prompt\. The same request would be refused again/);
	ok(description.includes(`Trace ID: ${lastImageRequest(session).traceId}`), description);
	strictEqual(server.billed.length, billed, 'a refused prompt was billed');
	await shoot('generate-refused');

	await editor.fill('prompt', PROMPT);
	await run(session);
}

async function run({ editor }: Session): Promise<void> {
	const outcome = await editor.executeStep();
	if (outcome === 'error') throw new Error((await editor.readError()).message);
}

function bodyOf(session: Session): Record<string, unknown> {
	return lastImageRequest(session).json as Record<string, unknown>;
}
