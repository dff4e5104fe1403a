import type {
	IExecuteFunctions,
	IHttpRequestMethods,
	IHttpRequestOptions,
	ILoadOptionsFunctions,
	IN8nHttpFullResponse,
} from 'n8n-workflow';

import { CREDENTIAL_TYPE, type Credential } from './credential';
import type { ByteStream } from './response';
import type { Progress } from './timeLimits';
import { openUpload, toFormData, toLongFile, type Form, type Upload } from './upload';

export interface ApiRequest {
	method: IHttpRequestMethods;
	/** The operation's path, relative to the Base URL, such as `/images/generations`. */
	path: string;
	/** The body of a JSON request. */
	json?: Buffer;
	/** The body of a multipart/form-data request. */
	form?: Form;
}

/** Makes n8n's helpers resolve for every status, with the body as a stream. */
export const STREAM_RESPONSE = {
	encoding: 'stream',
	returnFullResponse: true,
	ignoreHttpStatusErrors: true,
	/** `withTimeout` limits the time, because n8n's own timeout ends with the first byte of the response. */
	timeout: 0,
} satisfies Partial<IHttpRequestOptions>;

/**
 * Sends a request with the credential's key. Resolves for every status, with the body as a stream.
 *
 * @param signal aborts the request, even while the body arrives
 * @param progress learns what an upload waits for
 */
export async function sendWithKey(
	functions: IExecuteFunctions | ILoadOptionsFunctions,
	credential: Credential,
	{ method, path, json, form }: ApiRequest,
	signal: AbortSignal,
	progress: Progress,
): Promise<IN8nHttpFullResponse> {
	// n8n's helper accepts only the abort signal of the context that it is called on. This signal includes the timeout.
	const context = Object.create(functions, {
		getExecutionCancelSignal: { value: () => signal },
	}) as typeof functions;
	const file = form?.file ?? (json && toLongFile(json));
	const upload = file && (await openUpload(file, progress, signal));
	const body = form && upload ? toFormData(form, upload.file) : (upload?.file ?? json);
	const options: IHttpRequestOptions = {
		method,
		url: `${credential.baseUrl}${path}${credential.query}`,
		headers: { Accept: 'application/json', ...(json && { 'Content-Type': 'application/json' }) },
		// n8n declares the type of the form-data package, but its helper accepts the native ones too.
		body: body as IHttpRequestOptions['body'],
		...STREAM_RESPONSE,
		// A redirect could carry the key to another host.
		disableFollowRedirect: true,
		skipSslCertificateValidation: credential.ignoreSslIssues,
	};
	try {
		const response = (await functions.helpers.httpRequestWithAuthentication.call(
			context,
			CREDENTIAL_TYPE,
			options,
			// Without this, n8n would read the credential of the first item.
			{
				credentialsDecrypted: { id: '', name: '', type: CREDENTIAL_TYPE, data: credential.fields },
			},
		)) as IN8nHttpFullResponse;
		if (upload) endWithResponse(upload, response);
		return response;
	} catch (error) {
		upload?.close();
		throw error as Error;
	}
}

/** Ends an upload after the server has responded, because the server does not need the rest. */
function endWithResponse(upload: Upload, { statusCode, body }: IN8nHttpFullResponse): void {
	if (statusCode >= 400) upload.hold();
	const stream = body as ByteStream & { closed?: boolean };
	if (stream.closed) upload.close();
	else stream.once('close', upload.close);
}
