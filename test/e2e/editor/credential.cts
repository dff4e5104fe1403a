import { deepStrictEqual, match, ok, strictEqual } from 'node:assert';
import type { Session } from './session.cts';

/** What n8n's dialog says above the fields, without the fields. */
const VERDICT =
	/(Connection tested successfully|Couldn.t connect with these settings)[\s\S]*?(?=^Service\s*$)/m;

/** Fills in the credential's dialog: with a wrong key, with wrong addresses, and at last rightly. */
export async function createCredential(session: Session): Promise<void> {
	const { editor, server, key, wrongKey, shoot, log } = session;
	const { credentialDialog: dialog } = editor;

	const save = async (picture: string): Promise<string> => {
		const verdict = VERDICT.exec(await editor.saveCredential())?.[0]
			.replace(/\s+/g, ' ')
			.trim();
		ok(verdict, 'the dialog gives no verdict on the credential');
		log(`credential: ${verdict}`);
		await shoot(picture, dialog);
		return verdict;
	};

	await editor.openNewCredential('StepFun API');
	await shoot('credential-empty', dialog);
	strictEqual(await editor.readField('service'), 'StepFun China');
	strictEqual(await editor.field('baseUrl').count(), 0, 'Base URL is for Custom alone');
	await editor.choose('service', 'Custom');
	await editor.fill('baseUrl', server.url);
	await editor.fill('apiKey', wrongKey);
	const wrongKeyVerdict = await save('credential-wrong-key');
	match(wrongKeyVerdict, /Couldn.t connect/);
	match(wrongKeyVerdict, /The API key was not accepted/);

	await editor.fill('apiKey', key);
	await editor.fill('baseUrl', server.origin);
	const wrongAddressVerdict = await save('credential-wrong-address');
	match(wrongAddressVerdict, /Couldn.t connect/);
	match(wrongAddressVerdict, /There is no \/models at http/);
	match(wrongAddressVerdict, /usually ends in \/v1/);

	await editor.fill('baseUrl', server.url);
	match(await save('credential-good'), /Connection tested successfully/);
	const tests = server.requests.map(({ method, path, status }) => `${method} ${path} ${status}`);
	// n8n asks again after a 401.
	deepStrictEqual(
		[...new Set(tests)],
		['GET /v1/models 401', 'GET /models 404', 'GET /v1/models 200'],
	);
	strictEqual(server.billed.length, 0, 'a test of the credential was billed');
}
