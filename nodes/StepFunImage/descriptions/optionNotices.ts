import type { INodeProperties, NodeParameterValue } from 'n8n-workflow';

import { MODELS, OFFERS, type ModelCapabilities, type Offer } from '../catalogue/models';
import { noticeFor } from './showFor';

// The path starts at the root because n8n 1.x fails to load the workflow if it cannot sort a condition's field among
// the others. The condition uses the length because n8n always shows a field whose condition in `show` meets an
// expression.
const HAS_NEGATIVE_PROMPT = { '/options.negativePrompt.length': [{ _cnd: { gt: 0 } }] };

const OPTION_DEFAULTS = MODELS[0].operations.generate as ModelCapabilities;

const isNot = (value: NodeParameterValue) => [{ _cnd: { not: value } }];

/** A new option starts at the default of the first model, and keeps its value when the user changes the model. */
function startValueNotice(offer: Offer, label: string, name: 'steps' | 'cfgScale') {
	const start = OPTION_DEFAULTS[name].default;
	const { default: own } = offer.capabilities[name];
	const text = `${label} is ${start}, but the default of ${offer.id} is ${own}. Change it, or remove the option.`;
	const hide = { [`/options.${name}`]: isNot(start) };
	return own === start ? [] : [noticeFor(offer, name, text, { hide })];
}

function negativePromptNotice(offer: Offer): INodeProperties {
	const { negativePrompt } = offer.capabilities;
	if (!negativePrompt) {
		const text = `${offer.id} does not support negative prompts. Remove the option, or choose another model.`;
		return noticeFor(offer, 'negativePrompt', text, { show: HAS_NEGATIVE_PROMPT });
	}
	const { ignoredAtCfgScale } = negativePrompt;
	const text = `The negative prompt has no effect while CFG Scale is ${ignoredAtCfgScale}. Under Options, set CFG Scale to a higher value, for example 3.`;
	// The result of an expression is not known here. n8n 1.x fails if `startsWith` meets a missing value.
	const isHigher = [{ _cnd: { gt: ignoredAtCfgScale } }, { _cnd: { regex: '^=' } }];
	return noticeFor(offer, 'ignoredNegativePrompt', text, {
		show: HAS_NEGATIVE_PROMPT,
		hide: { '/options.cfgScale': isHigher },
	});
}

function textModeNotice(offer: Offer): INodeProperties[] {
	if (offer.capabilities.textMode) return [];
	const text = `${offer.id} does not support text mode. Turn the option off, or choose another model.`;
	return [noticeFor(offer, 'textMode', text, { hide: { '/options.textMode': isNot(true) } })];
}

/** The notices about options that the chosen model does not support, or for which it has another default. */
export const optionNotices: INodeProperties[] = OFFERS.flatMap((offer) => [
	negativePromptNotice(offer),
	...textModeNotice(offer),
	...startValueNotice(offer, 'Steps', 'steps'),
	...startValueNotice(offer, 'CFG Scale', 'cfgScale'),
]);
