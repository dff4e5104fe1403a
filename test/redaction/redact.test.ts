import { strikeOutSecrets } from '../../nodes/StepFunImage/errors/strikeOut';

test('what strikes out the secrets of a credential is built once for all items that share it', () => {
	const built = new Map();
	const credential = { service: 'custom', apiKey: 'sk-3fN8qLw1ZbYx6TgRk2Vp' };
	const first = strikeOutSecrets(credential, built);
	expect(strikeOutSecrets({ ...credential }, built)).toBe(first);
	// An expression in the credential may give another key on another item.
	const other = strikeOutSecrets({ ...credential, apiKey: 'sk-another-key-of-this-run' }, built);
	expect(other.ofText('sk-another-key-of-this-run')).toBe('***');
	expect(first.ofText('sk-another-key-of-this-run')).toBe('sk-another-key-of-this-run');
});
