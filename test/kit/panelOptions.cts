/** The entries of the Options menu, in the order in which the panel offers them, whatever the model. */
export const OPTIONS = [
	'Negative Prompt',
	'Text Mode',
	'Number of Images',
	'Seed',
	'Steps',
	'CFG Scale',
	'Additional Body Fields',
	'File Name',
	'Include Input Fields',
	'Several Images As',
	'When Moderated',
	'Max Images per Run',
	'Max Tries',
	'Timeout (Seconds)',
	'Give Up After (Seconds)',
];
