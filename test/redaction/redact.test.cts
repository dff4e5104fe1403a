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
	])('removes the key %s', (_spelling, text) => {
		expect(redactor.text(`before ${text} after`)).toBe('before *** after');
		expect(redactor.link(`before ${text} after`)).toBe('before *** after');
	});

	test.each([0, 1, 2])('removes the key in Base64 with %d bytes before it', (shift) => {
		const base64 = Buffer.from(`${'x'.repeat(shift)}${KEY}`).toString('base64');
		expect(redactor.text(base64)).toContain('***');
		expect(redactor.text(base64)).not.toContain(base64.slice(8, 24));
	});

	test('removes a key that was cut off', () => {
		expect(redactor.text(`key ${KEY.slice(0, 18)}`)).toBe('key ***');
		expect(redactor.text(`key ${KEY.slice(0, 10)}`)).toBe(`key ${KEY.slice(0, 10)}`);
	});

	test.each([4, 10, 15])(
		'removes the first %i characters of a key at the end of a cut text',
		(length) => {
			expect(redactor.text(`key ${KEY.slice(0, length)}…`)).toBe('key ***…');
		},
	);

	test('keeps the end of a cut text that no secret begins with', () => {
		expect(redactor.text('the key sk…')).toBe('the key sk…');
		expect(redactor.text(`the ${KEY.slice(1, 9)}…`)).toBe(`the ${KEY.slice(1, 9)}…`);
	});

	test('keeps the value of a custom header in links', () => {
		expect(redactor.text('by Acme-Organisation')).toBe('by ***');
		expect(redactor.link('https://res.example/Acme-Organisation/1.png')).toBe(
			'https://res.example/Acme-Organisation/1.png',
		);
	});

	test('keeps everything else unchanged', () => {
		const text = 'Größe 100% \\u00e9 &amp; %20 &#9731; 图片';
		expect(redactor.text(text)).toBe(text);
	});

	test('keeps short words that servers accept as any key', () => {
		expect(createRedactor(['EMPTY'], []).text('an EMPTY answer')).toBe('an EMPTY answer');
	});
});

describe('redaction: spellings of one character', () => {
	const SECRETS: Record<string, string> = {
		'&': 'left&right',
		'<': 'left<right',
		'>': 'left>right',
		'"': 'left"right',
		"'": "left'right",
		'/': 'left/right',
		'+': 'left+right',
		'=': 'left=right',
		'#': 'left#right',
		':': 'left:right',
		'.': 'left.right',
		_: 'left_right',
		'@': 'left@right',
	};

	test.each([
		['&', '&amp;'],
		['<', '&lt;'],
		['>', '&gt;'],
		['"', '&quot;'],
		["'", '&apos;'],
		['/', '&sol;'],
		['+', '&plus;'],
		['=', '&equals;'],
		['#', '&num;'],
		[':', '&colon;'],
		['.', '&period;'],
		['_', '&lowbar;'],
		['@', '&commat;'],
		['&', '&AMP;'],
		['/', '%2f'],
		['/', '%2F'],
		['/', '\\u002f'],
		['/', '\\U002F'],
		['/', '\\x2f'],
		['/', '\\/'],
		['"', '\\"'],
		["'", "\\'"],
		['/', '&#x2f;'],
		['/', '&#x00002f;'],
		['/', '&#47;'],
		['/', '&#0000047;'],
		['/', '%252f'],
		['/', '&amp;sol;'],
	])('%s is recognized as %s', (character, spelling) => {
		const secret = SECRETS[character];
		const { text } = createRedactor([secret], []);
		expect(text(`a ${secret.replace(character, spelling)} b`)).toBe('a *** b');
	});

	test('an escaped backslash is one', () => {
		expect(createRedactor(['left\\right'], []).text('a left\\\\right b')).toBe('a *** b');
	});

	test.each([
		'left%2gright',
		'left&#47right',
		'left&sol right',
		'left&solidus;right',
		'left\\u02fright',
		'left&#99999999;right',
		'left&#x1234567;right',
		'left%00right',
		'left&#9999999;right',
	])('%s is not a slash', (text) => {
		expect(createRedactor(['left/right'], []).text(text)).toBe(text);
	});
});

describe('redaction: what is removed', () => {
	test('one mark stands for secrets that touch or overlap, one each for others', () => {
		const { text } = createRedactor(['first-secret', 'other-secret'], []);
		expect(text('first-secretother-secret')).toBe('***');
		expect(text('first-secret other-secret')).toBe('*** ***');
		expect(text('a first-secretother-secret b')).toBe('a *** b');
		expect(text('a first-secret, first-secret b')).toBe('a ***, *** b');
		expect(text('first-secret')).toBe('***');
		expect(text('')).toBe('');
		const overlapping = createRedactor(['abcdefghij', 'ghijklmnop'], []);
		expect(overlapping.text('abcdefghijklmnop')).toBe('***');
		expect(createRedactor(['abcdefgh'], []).text('abcdefghabcdefgh!')).toBe('***!');
	});

	test('a mark that was in the text before is not mistaken for a redaction', () => {
		expect(createRedactor(['first-secret'], []).text('*** first-secret')).toBe('*** ***');
	});

	test('secrets of 8 characters and more, without the spaces around them', () => {
		expect(createRedactor(['1234567'], []).text('a 1234567 b')).toBe('a 1234567 b');
		expect(createRedactor(['12345678'], []).text('a 12345678 b')).toBe('a *** b');
		expect(createRedactor(['  12345678\n'], []).text('a 12345678 b')).toBe('a *** b');
		expect(createRedactor([' 1234567 '], []).text(' 1234567 ')).toBe(' 1234567 ');
	});

	test('nothing from short secrets or short spellings of a secret', () => {
		const [hex, base64] = [Buffer.from('EMPTY').toString('hex'), btoa('12345678')];
		expect(createRedactor(['EMPTY'], []).text(hex)).toBe(hex);
		expect(createRedactor(['12345678'], []).text(base64)).toBe(base64);
	});

	test('a short secret in Base64, whatever surrounds it', () => {
		expect(createRedactor(['1234567890'], []).text(btoa('x1234567890yz'))).toContain('***');
	});

	test('16 characters of a longer secret, wherever they stand in it', () => {
		const secret = 'abcdefghijklmnopqrstuvwxyz';
		const { text } = createRedactor([secret], []);
		for (let start = 0; start + 16 <= secret.length; start++) {
			expect(text(`-${secret.slice(start, start + 16)}-`)).toBe('-***-');
		}
		const tooShort = secret.slice(3, 18);
		expect(text(`-${tooShort}-`)).toBe(`-${tooShort}-`);
	});

	test('a shorter secret only as a whole', () => {
		const { text } = createRedactor(['abcdefghij'], []);
		expect(text('abcdefghi')).toBe('abcdefghi');
		expect(text('bcdefghij')).toBe('bcdefghij');
	});

	test('a secret with collapsed white space, or without the characters that headers do not allow', () => {
		expect(createRedactor(['one\t \ntwo-three'], []).text('a one two-three b')).toBe('a *** b');
		expect(createRedactor(['clé-图片-secret'], []).text('a clé--secret b')).toBe('a *** b');
		expect(createRedactor(['tab\there-it-is'], []).text('a tab\there-it-is b')).toBe('a *** b');
	});

	test('a secret in the two alphabets of Base64, with anything before and behind it', () => {
		const secret = '>>>???>>>???>>>???';
		const { text } = createRedactor([secret], []);
		for (const before of ['', 'x', 'xy']) {
			for (const alphabet of ['base64', 'base64url'] as const) {
				const encoded = Buffer.from(`${before}${secret}yz!`).toString(alphabet);
				expect(text(encoded)).toMatch(/^.{0,8}\*\*\*.{0,10}$/);
			}
		}
	});

	test('secrets of several lengths, headers along with keys', () => {
		const { text, link } = createRedactor(['abcdefgh', 'ijklmnopqrstuvwxyz'], ['Acme-Images']);
		expect(text('abcdefgh ijklmnopqrstuvwxyz Acme-Images')).toBe('*** *** ***');
		expect(link('abcdefgh ijklmnopqrstuvwxyz Acme-Images')).toBe('*** *** Acme-Images');
	});

	test('nothing where there is no secret', () => {
		const { text, link } = createRedactor(['', '  '], ['short']);
		expect(text('a short %41 text')).toBe('a short %41 text');
		expect(link('a short %41 text')).toBe('a short %41 text');
	});
});

test('each credential redacts its own secrets', () => {
	const { redactor } = parseCredential({ service: 'custom', apiKey: KEY });
	const other = parseCredential({ service: 'custom', apiKey: 'sk-another-key-of-this-run' });
	expect(other.redactor.text('sk-another-key-of-this-run')).toBe('***');
	expect(redactor.text('sk-another-key-of-this-run')).toBe('sk-another-key-of-this-run');
});
