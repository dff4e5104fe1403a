import { parseCredential } from '../../nodes/StepFunImage/transport/credential';
import { createRedactor } from '../../nodes/StepFunImage/transport/redact';

const KEY = 'sk-3fN8/Lw1+ZbYx6TgRk2Vp';

describe('redaction', () => {
	const redactor = createRedactor([KEY], ['Acme-Organisation']);
	const html = [...KEY].map((character) => `&#${character.charCodeAt(0)};`).join('');
	const unicode = [...KEY]
		.map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
		.join('');

	test.each([
		['as it is', KEY],
		['in upper case', KEY.toUpperCase()],
		['in lower case', KEY.toLowerCase()],
		['in an address', encodeURIComponent(KEY)],
		['in an address in lower case', encodeURIComponent(KEY).toLowerCase()],
		['twice encoded for an address', encodeURIComponent(encodeURIComponent(KEY))],
		['with escaped slashes', KEY.replace('/', '\\/')],
		['with a slash as \\u002f', KEY.replace('/', '\\u002f')],
		['all in \\u escapes', unicode],
		['in HTML entities', html],
		['with named HTML entities', KEY.replace('/', '&sol;').replace('+', '&plus;')],
		['in hexadecimal digits', Buffer.from(KEY).toString('hex')],
		['in upper-case hexadecimal digits', Buffer.from(KEY).toString('hex').toUpperCase()],
	])('takes out the key %s', (_spelling, text) => {
		expect(redactor.text(`before ${text} after`)).toBe('before *** after');
		expect(redactor.link(`before ${text} after`)).toBe('before *** after');
	});

	test.each([0, 1, 2])('takes out the key in Base64 with %d bytes before it', (shift) => {
		const base64 = Buffer.from(`${'x'.repeat(shift)}${KEY}`).toString('base64');
		expect(redactor.text(base64)).toContain('***');
		expect(redactor.text(base64)).not.toContain(base64.slice(8, 24));
	});

	test('takes out a key that was cut', () => {
		expect(redactor.text(`key ${KEY.slice(0, 18)}`)).toBe('key ***');
		expect(redactor.text(`key ${KEY.slice(0, 10)}`)).toBe(`key ${KEY.slice(0, 10)}`);
	});

	test('leaves the value of a custom header in links', () => {
		expect(redactor.text('by Acme-Organisation')).toBe('by ***');
		expect(redactor.link('https://res.example/Acme-Organisation/1.png')).toBe(
			'https://res.example/Acme-Organisation/1.png',
		);
	});

	test('leaves everything else as it was', () => {
		const text = 'Größe 100% \\u00e9 &amp; %20 &#9731; 图片';
		expect(redactor.text(text)).toBe(text);
	});

	test('leaves short words that servers accept as any key', () => {
		expect(createRedactor(['EMPTY'], []).text('an EMPTY answer')).toBe('an EMPTY answer');
	});
});

test('each credential redacts its own secrets', () => {
	const { redactor } = parseCredential({ service: 'custom', apiKey: KEY });
	const other = parseCredential({ service: 'custom', apiKey: 'sk-another-key-of-this-run' });
	expect(other.redactor.text('sk-another-key-of-this-run')).toBe('***');
	expect(redactor.text('sk-another-key-of-this-run')).toBe('sk-another-key-of-this-run');
});
