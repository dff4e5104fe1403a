import { NodeApiError, type IExecuteSingleFunctions, type IHttpRequestOptions } from 'n8n-workflow';

import { isStepFunHost } from '../catalogue/hosts';
import { findModel, type Operation } from '../catalogue/models';
import type { Failure } from './failure';
import { messageFor } from './forAgents';
import { withoutSecrets, type StrikeOut } from './strikeOut';

/** What an explanation needs to know of a request. */
export interface FailedRequest {
	options: IHttpRequestOptions;
	model?: string;
	operation?: Operation;
	inputImage?: object;
	/** The account was asked what is left, so there is no image that might have been charged. */
	isForBalance?: boolean;
}

interface Explanation {
	/** What happened, in one line; an AI agent sees nothing else. */
	message: string;
	/** How to go on. */
	description: string;
}

/** StepFun's words for an image that it could not take in, most often because of its size. */
const IMAGE_NOT_RECEIVED = '消息获取失败';

const BLOCKED_ADVICE =
	'This n8n is set up to send no requests into its internal network. If this address is meant, ask its administrator to allow it in N8N_SSRF_ALLOWED_HOSTNAMES or N8N_SSRF_ALLOWED_IP_RANGES.';

const RETIREMENT =
	'StepFun announced that its hosted image endpoints pause from 2026-10-10 for a system upgrade, so the endpoint may be out of service. A gateway or a server of your own that speaks the same API works too: choose Custom as Service in the credential and enter its Base URL.';

/**
 * Turns a failure into the error that the user reads.
 *
 * @param context the item's execution context
 * @param request what had been asked for
 * @param failure what went wrong
 * @param strikeOut takes the credential's secrets out of what a server said
 * @returns an error with message, description, itemIndex and, where the service answered, httpCode
 */
export function apiError(
	context: IExecuteSingleFunctions,
	request: FailedRequest,
	failure: Failure,
	strikeOut: StrikeOut,
): NodeApiError {
	const clean = withoutSecrets(failure, strikeOut);
	const explanation = explain(request, clean);
	// What a server said is clean by now, but the Base URL that stands in some of these texts may hold a
	// password.
	const message = strikeOut.ofLink(explanation.message);
	const description = strikeOut.ofLink(
		[explanation.description, ...references(clean)].filter((part) => part !== '').join(' '),
	);
	const httpCode = statusOf(failure);
	const error = new NodeApiError(
		context.getNode(),
		{ message, description, ...(httpCode === undefined ? {} : { httpCode: String(httpCode) }) },
		{
			message,
			description,
			httpCode: httpCode === undefined ? undefined : String(httpCode),
			itemIndex: context.getItemIndex(),
			level: 'warning',
		},
	);
	// n8n replaces a message in which it finds an error code such as ECONNREFUSED.
	error.message = messageFor(context.getNode(), message, description);
	return error;
}

function statusOf(failure: Failure): number | undefined {
	if (failure.kind === 'status') return failure.status;
	if (failure.kind === 'download') return statusOf(failure.reason);
	// Of an input image the service was not asked: what another host said is no status of its own.
	if (['connection', 'blocked', 'timeout', 'storage', 'inputDownload'].includes(failure.kind)) {
		return undefined;
	}
	// The service answered 200; what was wrong stood in the answer.
	return 200;
}

/** What StepFun's support asks for. */
function references(failure: Failure): string[] {
	return [
		failure.tries !== undefined && failure.tries > 1 ? `Tried ${failure.tries} times.` : '',
		failure.traceId ? `Trace ID: ${failure.traceId}.` : '',
		failure.id ? `Request ID: ${failure.id}.` : '',
	];
}

function quote(text: string): string {
	return text === '' ? '' : `: ${text}`;
}

function explain(request: FailedRequest, failure: Failure): Explanation {
	const baseUrl = request.options.baseURL ?? '';
	const { isForBalance } = request;
	switch (failure.kind) {
		case 'status':
			return explainStatus(request, failure);
		case 'connection':
			return {
				message: `The connection to ${hostOf(baseUrl)} failed${quote(failure.text)}`,
				description: `Check Service and Base URL in the StepFun API credential, and that this n8n can reach the address.${
					isForBalance
						? ''
						: ' If the connection broke after the request was sent, the image may have been charged.'
				}`,
			};
		case 'blocked':
			return {
				message: `n8n refuses to open ${hostOf(baseUrl)}${quote(failure.text)}`,
				description: BLOCKED_ADVICE,
			};
		case 'timeout':
			return {
				message: `The service did not answer completely within ${failure.seconds} seconds`,
				description: isForBalance
					? 'Run this item again later. If it happens each time, look for a proxy between n8n and the service that holds the answer back.'
					: "Raise 'Timeout (Seconds)' under Options, or use fewer steps or a smaller input image. The image may have been charged.",
			};
		case 'cutOff':
			return {
				message: `${isForBalance ? 'The balance' : 'The image was made, but'} did not arrive whole: ${failure.text}`,
				description: `${
					isForBalance
						? ''
						: 'The connection broke while the answer arrived; the image has been charged. '
				}Run this item again. If it happens often, look for a proxy between n8n and the service that limits time or size.`,
			};
		case 'notJson':
			return {
				message: `The server answered, but not as an image API${quote(readable(failure.text))}`,
				description:
					'The answer is not JSON. Check the Base URL in the StepFun API credential; it usually ends in /v1. A proxy or a login page in between answers like this, too.',
			};
		case 'noBalance':
			return {
				message: `The server's answer holds no balance${quote(readable(failure.text))}`,
				description:
					'Its field balance is missing or is not a number. Not every region and server tells the balance; check Service and Base URL in the StepFun API credential.',
			};
		case 'noImage':
			return {
				message: `The service answered without an image${quote(failure.text)}`,
				description:
					'It reported success, so the image may have been charged. Run this item again; if it happens each time, send the IDs to StepFun.',
			};
		case 'filtered':
			return {
				message: 'The image was made, but stopped by moderation (content_filtered)',
				description: `Change the prompt${request.inputImage ? ' or the input image' : ''} and run this item again. The image has been charged; the same request would be stopped again.`,
			};
		case 'notAnImage':
			return {
				message: `What came as the image is not an image${quote(readable(failure.text))}`,
				description:
					'The service reported success, so the image may have been charged. Run this item again; if it happens each time, send the IDs to StepFun.',
			};
		case 'tooLarge':
			return {
				message: failure.text,
				description:
					'The node stopped reading to protect this n8n. Check that the Base URL in the StepFun API credential is the address of an image API.',
			};
		case 'download':
			return {
				message: `The image was made, but could not be downloaded: ${explainDownload(failure.url, failure.reason)}`,
				description: `The image has been charged and is still at ${failure.url} for as long as such links live. ${
					failure.reason.kind === 'blocked'
						? BLOCKED_ADVICE
						: "Fetch it with an HTTP Request node without credentials, or set Output to 'Image URL' and download later."
				}`,
			};
		case 'inputDownload':
			return {
				message: `The image behind 'Image URL' could not be downloaded: ${explainDownload(failure.url, failure.reason)}`,
				description: `${
					failure.reason.kind === 'blocked'
						? BLOCKED_ADVICE
						: `Check that ${failure.url} opens without a login and that this n8n can reach it.`
				} Nothing was sent to the image service for this item.`,
			};
		case 'storage':
			return {
				message: `The image arrived, but n8n could not keep it: ${failure.text}`,
				description:
					"Check the free space and the settings of n8n's binary data storage. The image has been charged.",
			};
	}
}

/** Why a download failed, in half a sentence: here the API's own meanings of a status do not apply. */
function explainDownload(url: string, reason: Failure): string {
	switch (reason.kind) {
		case 'status':
			return `${hostOf(url)} answered with status ${reason.status}${quote(reason.text)}`;
		case 'connection':
			return `the connection to ${hostOf(url)} failed${quote(reason.text)}`;
		case 'blocked':
			return `n8n refuses to open ${hostOf(url)}${quote(reason.text)}`;
		case 'timeout':
			return `${hostOf(url)} did not send all of it within ${reason.seconds} seconds`;
		case 'notAnImage':
			return `what ${hostOf(url)} sent is not an image${quote(readable(reason.text))}`;
		case 'cutOff':
		case 'tooLarge':
		case 'storage':
		case 'notJson':
			return reason.text;
		default:
			return reason.kind;
	}
}

function explainStatus(
	request: FailedRequest,
	failure: Extract<Failure, { kind: 'status' }>,
): Explanation {
	const baseUrl = request.options.baseURL ?? '';
	const said = quote(failure.text);
	const { isForBalance } = request;
	const retirement = isStepFunHost(baseUrl) ? ` ${RETIREMENT}` : '';

	switch (failure.status) {
		case 400:
			if (request.inputImage && failure.text.includes(IMAGE_NOT_RECEIVED)) {
				const { model = '', operation = 'edit' } = request;
				const maxSide = findModel(model)?.operations[operation]?.inputImage?.maxSide;
				return {
					message: `The service could not take in the input image, most likely because it is too large${said}`,
					description: `Resize the image before this node, for example with n8n's Edit Image node${maxSide ? `; ${model} takes at most ${maxSide} × ${maxSide} pixels` : ''}.`,
				};
			}
			return {
				message: `The service refused the request${said}`,
				description: isForBalance
					? 'Check Service and Base URL in the StepFun API credential.'
					: 'Check the fields that the message names, and that the model exists and may be used with this key.',
			};
		case 401:
			return {
				message: `The API key was not accepted${said}`,
				description:
					'Check the API Key in the StepFun API credential, and that Service is the platform that issued it: keys of platform.stepfun.com and platform.stepfun.ai are not interchangeable.',
			};
		case 402:
			return {
				message: `The account's balance is used up${said}`,
				description: `Top up the account on StepFun's platform, then run the remaining items again.`,
			};
		case 403:
			return {
				message: `This key may not use ${isForBalance ? '' : 'the model or '}the endpoint${said}`,
				description: 'Check on the platform what the key and the account are allowed to use.',
			};
		case 404:
			return {
				message: `There is no ${request.options.url ?? 'such endpoint'} at ${baseUrl}${said}`,
				description: `${
					isForBalance ? 'Not every region and server tells the balance. ' : ''
				}Check Service and Base URL in the StepFun API credential; the Base URL usually ends in /v1.${retirement}`,
			};
		case 408:
		case 504:
			return {
				message: `The service took too long and gave up${said}`,
				description: `Run this item again later${isForBalance ? '' : ', or use fewer steps'}.`,
			};
		case 429:
			return {
				message: `Too many requests: the account's limit was still reached after waiting${said}`,
				description: `Lower 'Concurrent Requests' or set 'Requests per Minute' in the StepFun API credential to what your tier allows, ${
					isForBalance ? '' : "raise 'Give Up After (Seconds)' under Options, "
				}or see whether other programs use the same account.`,
			};
		case 451:
			return {
				message: `Moderation refused the request${said}`,
				description: `Change the prompt${request.inputImage ? ' or the input image' : ''}. The same request would be refused again, so the node does not repeat it.`,
			};
		case 503:
			return {
				message: `The service is overloaded or out of service${said}`,
				description: `Run this item again later.${retirement}`,
			};
		default:
			if (failure.status >= 300 && failure.status < 400) {
				return {
					message: `The server sends the request to another address${quote(failure.location ?? '')}`,
					description:
						'The node does not follow, so that the key stays with the address you entered. If the new address is right, enter it as Base URL in the StepFun API credential.',
				};
			}
			return failure.status >= 500
				? {
						message: `The service failed with status ${failure.status}${said}`,
						description: 'Run this item again later.',
					}
				: {
						message: `The service refused the request with status ${failure.status}${said}`,
						description:
							'Check the Base URL in the StepFun API credential and the fields of the node.',
					};
	}
}

function readable(text: string): string {
	const words = text
		.replace(/<[^>]*>/g, ' ')
		.replace(/\s+/g, ' ')
		.trim();
	return words.length > 120 ? `${words.slice(0, 120)}…` : words;
}

function hostOf(url: string): string {
	return URL.canParse(url) ? new URL(url).host : url;
}
