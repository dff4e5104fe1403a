import { deepStrictEqual, match, ok, strictEqual } from 'node:assert';
import { modelsFor, sizeValue, type ImageSize } from '../../../nodes/StepFunImage/catalogue/models';
import { checkModels } from './modelFields.cts';
import { checkResult, lastImageRequest } from './results.cts';
import type { Session } from './session.cts';

/** What the node on the canvas is called after its action. */
export const EDIT_NODE = 'Edit image';

const PROMPT = 'Put the shoe on a sunny beach, keep the shoe unchanged';

/** The field that each choice of Input Image From shows. */
const SOURCE_FIELDS = {
	URL: 'Image URL',
	'Base64 Text': 'Base64 Text',
	'Binary Field': 'Input Data Field Name',
};

const MODELS = modelsFor('edit').map(({ id }) => id);
const [STANDARD] = MODELS;

/**
 * Sets up Edit in the open panel, runs it on the image of the node before, and lets it fail.
 *
 * @param inputSize the size of that image
 */
export async function useEdit(session: Session, inputSize: ImageSize): Promise<void> {
	const { editor, server, log, shoot } = session;
	deepStrictEqual(await editor.readFieldLabels(), [
		'Credential',
		'Resource',
		'Operation',
		'Model',
		'Input Image From',
		'Input Data Field Name',
		'Prompt',
		'Size',
		'Output',
		'Put Output File in Field',
		'Options',
	]);
	await shoot('edit-fresh');
	log(`Edit: ${await checkModels(editor, 'edit', MODELS)}`);

	for (const [choice, label] of Object.entries(SOURCE_FIELDS)) {
		await editor.choose('inputSource', choice);
		const labels = await editor.readFieldLabels();
		const shown = Object.values(SOURCE_FIELDS).filter((field) => labels.includes(field));
		deepStrictEqual(shown, [label]);
		await shoot(`edit-from-${choice.toLowerCase().replaceAll(' ', '-')}`);
	}

	const source = server.sentImages.at(-1);
	await editor.fill('prompt', PROMPT);
	const outcome = await editor.executeStep();
	if (outcome === 'error') throw new Error((await editor.readError()).message);
	const { fields, file } = lastImageRequest(session);
	deepStrictEqual([fields?.model, fields?.prompt], [STANDARD, PROMPT]);
	ok(source && file?.bytes.equals(source), 'another image was uploaded than the node before made');
	await editor.viewFirstImage('input');
	await checkResult(session, sizeValue(inputSize), 'edit-picture');

	await useMissingField(session);
}

/** A binary field that the item does not have, and then the right one again. */
async function useMissingField({ editor, server, shoot, log }: Session): Promise<void> {
	const asked = server.requests.length;
	await editor.fill('binaryPropertyName', 'photo');
	strictEqual(await editor.executeStep(), 'error');
	const { message, description } = await editor.readError();
	log(`a field without an image: "${message}" / "${description}"`);
	ok(message.includes("'photo'"), message);
	match(description, /The item has: data\./);
	strictEqual(server.requests.length, asked, 'something was sent without an image');
	await shoot('edit-missing-field');
	await editor.fill('binaryPropertyName', 'data');
}
