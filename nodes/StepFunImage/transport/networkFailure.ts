import { RequestFailure } from '../errors/requestFailure';

/** The error of n8n's protection of the internal network. For a redirect, other words precede it. */
const BLOCKED = /The request was blocked because/;

/** Node.js's codes for a body that does not match its Content-Encoding. The code of a truncated body is Z_BUF_ERROR. */
const BAD_COMPRESSION = /^(Z_DATA_ERROR|ERR__ERROR_FORMAT|ZSTD_error_)/;

/** Codes for errors whose text says more than their own code. */
const CODES_BY_TEXT: Array<[RegExp, string]> = [
	[/Maximum number of redirects/, 'ERR_FR_TOO_MANY_REDIRECTS'],
	// The server responded without TLS.
	[/wrong version number/, 'ERR_SSL_WRONG_VERSION_NUMBER'],
];

/** Turns an error of n8n's request helper, or of a stream, into a RequestFailure. */
export function toRequestFailure(error: unknown): RequestFailure {
	if (error instanceof RequestFailure) return error;
	const thrown = error as Partial<NodeJS.ErrnoException>;
	const cause = thrown.cause as typeof thrown | undefined;
	const code = cause?.code ?? thrown.code;
	const text = cause?.message ?? thrown.message ?? String(error);
	if (BLOCKED.test(text)) return new RequestFailure('blocked', { text });
	if (BAD_COMPRESSION.test(code ?? '')) return new RequestFailure('badCompression', { text });
	const isTimeout = code === 'ECONNABORTED' || code === 'ETIMEDOUT';
	// The different errors for a stream that ends too early.
	if (!isTimeout && (/aborted|premature/i.test(text) || code === 'ERR_STREAM_PREMATURE_CLOSE')) {
		return new RequestFailure('truncated', {
			text: 'The connection broke while the response was arriving',
		});
	}
	const [, codeOfText] = CODES_BY_TEXT.find(([pattern]) => pattern.test(text)) ?? [];
	return new RequestFailure('connection', { code: codeOfText ?? code, text });
}
