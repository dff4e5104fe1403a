export interface OutputForm {
	name: string;
	value: 'file' | 'url' | 'fileAndUrl' | 'fileAndN8nLink' | 'n8nLink';
	description: string;
	/** Whether the image goes into a binary field. */
	hasFile?: boolean;
	/** Whether the item contains the service's own link, which the node requests from the API. */
	hasUrl?: boolean;
	/** Whether the item contains a link that n8n serves. */
	hasN8nLink?: boolean;
}

/** The choices of the Output field, in the order of the panel. */
export const OUTPUTS: readonly OutputForm[] = [
	{
		name: 'Image File',
		value: 'file',
		description: 'Put the image into the item as binary data',
		hasFile: true,
	},
	{
		name: 'Image File and Temporary Link',
		value: 'fileAndN8nLink',
		description:
			'Put the image into the item, along with a link that n8n serves and that opens without a login',
		hasFile: true,
		hasN8nLink: true,
	},
	{
		name: 'Image File and URL',
		value: 'fileAndUrl',
		description: "Put the image and the service's link to it into the item",
		hasFile: true,
		hasUrl: true,
	},
	{
		name: 'Image URL',
		value: 'url',
		description: "Put only the service's link into the item, without downloading the image",
		hasUrl: true,
	},
	{
		name: 'Temporary Link',
		value: 'n8nLink',
		description:
			'Keep the image in n8n, and put a link into the item that n8n serves and that opens without a login',
		hasN8nLink: true,
	},
];

export type Output = OutputForm['value'];

/** The values of the outputs that lack a property, such as `hasFile`. */
export function outputsWithout(property: 'hasFile' | 'hasUrl' | 'hasN8nLink'): Output[] {
	return OUTPUTS.filter((output) => !output[property]).map(({ value }) => value);
}

/** Finds an output by its value. */
export function findOutput(value: Output): OutputForm {
	return OUTPUTS.find((output) => output.value === value) as OutputForm;
}
