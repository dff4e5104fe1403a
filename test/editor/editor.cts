import { readFile } from 'node:fs/promises';
import type { Browser, Locator, Page } from 'playwright-core';
import type { N8nInstance } from '../n8n/instance.cts';

const VIEWPORT = { width: 1440, height: 960 };

/** On screens of today one CSS pixel is more than one pixel; at 1 the small print would be hard to read. */
const DEVICE_SCALE_FACTOR = 1.5;

const ACTION_TIMEOUT_MS = 30_000;

const SEARCH_TIMEOUT_MS = 5_000;

/** How long n8n may take to say how a short execution ended. */
const TOAST_MS = 15_000;

/** Room around the node's panel for the links to its neighbours; n8n has an empty box of its own further out. */
const PANEL_MARGIN = 12;

const CANVAS_MARGIN = 28;

/** What is used of an image in the page; this project has no types of the browser. */
interface Drawable {
	decode(): Promise<void>;
	naturalWidth: number;
	naturalHeight: number;
}

/** A file that the editor gave its user. */
export interface DownloadedFile {
	name: string;
	bytes: Buffer;
}

/** Logs into n8n's editor with its login form. */
export async function openEditor(browser: Browser, n8n: N8nInstance): Promise<Editor> {
	const page = await browser.newPage({
		viewport: VIEWPORT,
		deviceScaleFactor: DEVICE_SCALE_FACTOR,
		locale: 'en-US',
		colorScheme: 'light',
		reducedMotion: 'reduce',
	});
	page.setDefaultTimeout(ACTION_TIMEOUT_MS);
	await page.goto(`${n8n.url}/signin`);
	await page.locator('input[name=emailOrLdapLoginId]').fill(n8n.owner.email);
	await page.locator('input[name=password]').fill(n8n.owner.password);
	await page.getByTestId('form-submit-button').click();
	await page.waitForURL(/\/(home|workflow)/);
	return new Editor(page, n8n.url);
}

/** n8n's editor in the browser, used by mouse and keyboard as a person does. */
export class Editor {
	constructor(
		readonly page: Page,
		private readonly url: string,
	) {}

	/** Begins a workflow on an empty canvas, with the first step that n8n's list offers under this name. */
	async startWorkflow(firstStep: string): Promise<void> {
		await this.page.goto(`${this.url}/workflow/new`);
		await this.page.getByTestId('canvas-add-button').click();
		await this.chooseInNodeList(firstStep);
		await this.node().first().waitFor();
	}

	/** Opens a stored workflow and waits until its canvas is drawn. */
	async openWorkflow(id: string): Promise<void> {
		await this.page.goto(`${this.url}/workflow/${id}`);
		await this.node().first().waitFor();
	}

	/** A node on the canvas; without a name, each of them. */
	node(name?: string): Locator {
		const nodes = this.page.getByTestId('canvas-node');
		return name === undefined ? nodes : nodes.filter({ hasText: name });
	}

	/** Clicks "Execute workflow" and waits until n8n reports success. */
	async executeWorkflow(): Promise<void> {
		await this.page.getByTestId('execute-workflow-button').click();
		await this.page.getByText('Workflow executed successfully').waitFor();
		await this.closeToasts();
	}

	/** Has n8n's menu export the workflow; returns the file. */
	async exportWorkflow(): Promise<DownloadedFile> {
		await this.page.getByTestId('workflow-menu').click();
		const entry = this.page.getByRole('menuitem', { name: 'Export JSON' });
		return await this.download(() => entry.click());
	}

	/** Opens a node's panel. */
	async openNode(name: string): Promise<void> {
		await this.node(name).dblclick();
		await this.panel.waitFor();
	}

	/** The open panel of a node. */
	get panel(): Locator {
		return this.page.getByTestId('ndv');
	}

	/** Closes the panel of a node. */
	async closePanel(): Promise<void> {
		await this.page.getByTestId('ndv-close-button').click();
		await this.panel.waitFor({ state: 'hidden' });
	}

	/** Clicks "Execute step" in the open panel and waits until n8n says how it ended. */
	async executeStep(): Promise<'success' | 'error'> {
		await this.closeToasts();
		await this.page.getByTestId('node-execute-button').click();
		const success = this.page.getByText('Node executed successfully');
		const failure = this.page.getByText(/^Problem in node/);
		const toast = success.or(failure).first();
		// On a busy machine, n8n sometimes shows the result without a toast.
		await toast.waitFor({ timeout: TOAST_MS }).catch(() => undefined);
		const status = this.panel.getByTestId('node-run-status-success');
		const isSuccess = await ((await toast.isVisible()) ? success : status).isVisible();
		await this.closeToasts();
		return isSuccess ? 'success' : 'error';
	}

	/** What the open panel says of the node's error. */
	async readError(): Promise<{ message: string; description: string }> {
		const read = async (part: string) =>
			(await this.panel.getByTestId(`node-error-${part}`).innerText()).trim();
		return { message: await read('message'), description: await read('description') };
	}

	/** Opens the first image of the panel's input or output. Fails unless the browser can draw it. */
	async viewFirstImage(side: 'input' | 'output'): Promise<{ width: number; height: number }> {
		const pane = this.page.getByTestId(side === 'input' ? 'ndv-input-panel' : 'output-panel');
		await pane.getByText('Binary', { exact: true }).click();
		await pane.getByTestId('ndv-view-binary-data').first().click();
		const image = pane.locator('img').last();
		await image.waitFor();
		return await image.evaluate(async (element: Drawable) => {
			await element.decode();
			return { width: element.naturalWidth, height: element.naturalHeight };
		});
	}

	/** Downloads the first file of the panel's output with the panel's button. */
	async downloadFirstFile(): Promise<DownloadedFile> {
		const pane = this.page.getByTestId('output-panel');
		await pane.getByText('Binary', { exact: true }).click();
		const back = pane.getByText('Back to list');
		const button = pane.getByTestId('ndv-download-binary-data').first();
		await back.or(button).first().waitFor();
		if (await back.isVisible()) await back.click();
		return await this.download(() => button.click());
	}

	private async download(start: () => Promise<void>): Promise<DownloadedFile> {
		const [download] = await Promise.all([this.page.waitForEvent('download'), start()]);
		return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
	}

	/** Shows the panel's output as JSON. */
	async viewOutputAsJson(): Promise<void> {
		const pane = this.page.getByTestId('output-panel');
		await pane.getByText('JSON', { exact: true }).click();
		await pane.locator('.json-data').first().waitFor();
	}

	/** Opens the list of nodes for one that follows this node on the canvas. */
	async openNodeListAfter(name: string): Promise<void> {
		await this.node(name).getByTestId('canvas-handle-plus').click();
		await this.page.getByTestId('node-creator-search-bar').waitFor();
	}

	/** Opens the list of tools for an agent on the canvas. */
	async openToolListOf(agent: string): Promise<void> {
		const handle = this.node(agent).locator('[data-handleid="inputs/ai_tool/0"]');
		await handle.getByTestId('canvas-handle-plus').click();
		await this.page.getByTestId('node-creator-search-bar').waitFor();
	}

	/** The open list of nodes, or of a node's actions. */
	get nodeList(): Locator {
		return this.page.getByTestId('node-creator');
	}

	/** The names in the open list of nodes or of a node's actions. */
	async readNodeList(): Promise<string[]> {
		return (await this.nodeNames.allInnerTexts()).map((name) => name.trim());
	}

	/** Searches the list of nodes; returns the position of the wanted one and the number of entries. */
	async searchNodes(text: string, wanted: string): Promise<{ place: number; of: number }> {
		const search = this.page.getByTestId('node-creator-search-bar');
		if (!(await search.isVisible()))
			await this.page.getByTestId('node-creator-plus-button').click();
		// The emptied field shows n8n's categories, so that what is found now is not of the search before.
		await search.fill('');
		await this.page.getByTestId('node-creator-category-item').or(this.nodeNames).first().waitFor();
		await search.fill(text);
		const found = this.nodeNames.filter({ hasText: wanted }).first();
		try {
			await found.waitFor({ timeout: SEARCH_TIMEOUT_MS });
		} catch (error) {
			throw new Error(`n8n's search for "${text}" does not find ${wanted}`, { cause: error });
		}
		const names = await this.readNodeList();
		return { place: names.indexOf(wanted) + 1, of: names.length };
	}

	private get nodeNames(): Locator {
		return this.page.getByTestId('node-creator-item-name');
	}

	/** Chooses an entry in the list of nodes: a node or one of its actions. */
	async chooseInNodeList(name: string): Promise<void> {
		await this.nodeNames.filter({ hasText: name }).first().click();
	}

	/** A field of the open panel or credential, by the parameter's name. */
	field(name: string): Locator {
		return this.page.getByTestId(`parameter-input-${name}`);
	}

	/** The labels of all fields on the open panel's Parameters tab, from top to bottom. */
	async readFieldLabels(): Promise<string[]> {
		const labels = this.panel.locator('label').filter({ visible: true });
		// Below its label, a field may offer to take an expression.
		return (await labels.allInnerTexts()).map((text) => text.trim().split('\n')[0]);
	}

	/** What a text or number field holds, or which choice a list shows. */
	async readField(name: string): Promise<string> {
		return await this.field(name).locator('input, textarea').first().inputValue();
	}

	/** The name of the credential that the open panel has chosen. */
	async readCredential(): Promise<string> {
		return await this.panel
			.getByTestId('node-credentials-select')
			.locator('input')
			.first()
			.inputValue();
	}

	/** Types into a text or number field, and leaves it: only then n8n takes over a number. */
	async fill(name: string, value: string): Promise<void> {
		const input = this.field(name).locator('input, textarea').first();
		await input.fill(value);
		await input.blur();
	}

	/** Chooses from a field's list. */
	async choose(name: string, label: string): Promise<void> {
		await this.field(name).click();
		await this.chooseFromOpenList(label);
	}

	/** The choices of a field's list. */
	async readChoices(name: string): Promise<string[]> {
		await this.field(name).click();
		return await this.readOpenList();
	}

	private get modelField(): Locator {
		return this.panel.getByTestId('resource-locator-model');
	}

	/** The ID of the model that the open panel has. */
	async readModel(): Promise<string> {
		return await this.modelField.getByTestId('rlc-input-container').locator('input').inputValue();
	}

	/** Opens the list of the Model field. */
	async openModelList(): Promise<void> {
		await this.modelField.getByTestId('rlc-input-container').click();
	}

	/** The models in the list of the Model field. */
	async readModels(): Promise<string[]> {
		await this.openModelList();
		const entries = this.page.getByTestId('rlc-item').filter({ visible: true });
		await entries.first().waitFor();
		const texts = await entries.allInnerTexts();
		await this.page.keyboard.press('Escape');
		return texts.map((text) => text.trim());
	}

	/** What stands in the open list of the Model field if n8n gets no list; until then, it shows the chosen model. */
	async readMissingModelList(): Promise<string> {
		const failure = this.page.getByTestId('rlc-error-container').filter({ visible: true });
		await failure.waitFor();
		return (await failure.innerText()).trim();
	}

	/** Chooses a model from the Model field's list. */
	async chooseModel(id: string): Promise<void> {
		await this.openModelList();
		const entry = this.page.getByTestId('rlc-item').filter({ visible: true });
		await entry.getByText(id).first().click();
		await entry.first().waitFor({ state: 'hidden' });
	}

	/** Switches the Model field between From List and By ID. */
	async chooseModelMode(label: 'From list' | 'By ID'): Promise<void> {
		await this.modelField.getByTestId('rlc-mode-selector').click();
		await this.chooseFromOpenList(label);
	}

	/** Types a model's ID, by ID. */
	async fillModel(id: string): Promise<void> {
		const input = this.modelField.getByTestId('rlc-input-container').locator('input');
		await input.fill(id);
		await input.blur();
	}

	/** Adds a field of the node's Options. */
	async addOption(label: string): Promise<void> {
		await this.openOptionsList();
		await this.chooseFromOpenList(label);
	}

	/** The fields that can still be added under the node's Options. */
	async readOptions(): Promise<string[]> {
		await this.openOptionsList();
		return await this.readOpenList();
	}

	/** Removes a field of the node's Options. */
	async removeOption(name: string): Promise<void> {
		const item = this.panel
			.getByTestId('parameter-item')
			.filter({ has: this.field(name) })
			.last();
		await item.hover();
		await item.getByTitle('Delete').first().click();
		await this.field(name).waitFor({ state: 'detached' });
	}

	/** Whether a switch is on. */
	async readSwitch(name: string): Promise<boolean> {
		return (await this.field(name).getByRole('switch').getAttribute('aria-checked')) === 'true';
	}

	private async openOptionsList(): Promise<void> {
		// n8n adds a list of its own to the panel's other tab.
		await this.page.getByTestId('collection-parameter-add').filter({ visible: true }).click();
	}

	private get openListEntries(): Locator {
		return this.page.locator('.el-select-dropdown__item').filter({ visible: true });
	}

	private async readOpenList(): Promise<string[]> {
		await this.openListEntries.first().waitFor();
		const entries = await this.openListEntries.allInnerTexts();
		await this.page.keyboard.press('Escape');
		await this.openListEntries.first().waitFor({ state: 'hidden' });
		// Below its name, an entry may have a description.
		return entries.map((text) => text.trim().split('\n')[0]);
	}

	private async chooseFromOpenList(label: string): Promise<void> {
		const name = label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
		await this.openListEntries
			.filter({ hasText: new RegExp(`^\\s*${name}`) })
			.first()
			.click();
		await this.openListEntries.first().waitFor({ state: 'hidden' });
	}

	/** Opens the dialog of a new credential. */
	async openNewCredential(type: string): Promise<void> {
		await this.page.goto(`${this.url}/home/credentials/create`);
		const dialog = this.page.getByTestId('selectCredential-modal');
		await dialog.getByRole('combobox').fill(type);
		await this.page
			.getByTestId('new-credential-type-select-option')
			.filter({ visible: true, hasText: type })
			.first()
			.click();
		await this.page.getByTestId('new-credential-type-button').click();
		await this.credentialDialog.waitFor();
	}

	/** The open credential dialog. */
	get credentialDialog(): Locator {
		return this.page
			.locator('.el-dialog')
			.filter({ has: this.page.getByTestId('credential-name') });
	}

	/** Saves the open credential, which makes n8n test it, and returns what the dialog then says. */
	async saveCredential(): Promise<string> {
		const response = this.page.waitForResponse(/\/rest\/credentials\/test/);
		await this.page.getByTestId('credential-save-button').click();
		await response;
		await this.credentialDialog
			.getByText(/^(Connection tested successfully|Couldn.t connect)/)
			.filter({ visible: true })
			.waitFor();
		const details = this.credentialDialog.getByText('More details');
		if (await details.isVisible()) await details.click();
		await this.closeToasts();
		return await this.credentialDialog.innerText();
	}

	/**
	 * Shows the editor in light or dark mode; by default, n8n uses the machine's setting.
	 *
	 * @param part what is to be looked at: the node's icon in it tells when it has changed
	 */
	async useTheme(colorScheme: 'light' | 'dark', part = this.panel): Promise<void> {
		await this.page.emulateMedia({ colorScheme });
		const icon = part.locator('img[src$="stepfun.dark.svg"]').first();
		await icon.waitFor({ state: colorScheme === 'dark' ? 'visible' : 'detached' });
	}

	/** Takes a picture of the canvas, as far as there are nodes and notes on it. */
	async shootCanvas(): Promise<Buffer> {
		// The button is in front of the lower edge of a large workflow.
		await this.page.addStyleTag({
			content: '[data-test-id="execute-workflow-button"] { visibility: hidden; }',
		});
		return await this.shootPart(this.node().or(this.page.getByTestId('sticky')), {
			margin: CANVAS_MARGIN,
		});
	}

	/** Takes a picture of the part of the window which holds these elements, or of the upper part of it. */
	async shootPart(
		parts: Locator,
		{ margin = 0, maxHeight = VIEWPORT.height } = {},
	): Promise<Buffer> {
		const boxes = await parts.evaluateAll((elements) =>
			elements.map((element) => {
				const { left, top, right, bottom } = element.getBoundingClientRect();
				return { left, top, right, bottom };
			}),
		);
		if (boxes.length === 0) throw new Error('what should be in the picture is not on the screen');
		const x = Math.max(0, Math.min(...boxes.map(({ left }) => left)) - margin);
		const y = Math.max(0, Math.min(...boxes.map(({ top }) => top)) - margin);
		const right = Math.max(...boxes.map((box) => box.right)) + margin;
		const bottom = Math.max(...boxes.map((box) => box.bottom)) + margin;
		return await this.shoot({
			x,
			y,
			width: Math.min(VIEWPORT.width, right) - x,
			height: Math.min(maxHeight, Math.min(VIEWPORT.height, bottom) - y),
		});
	}

	/** Takes a picture of the open panel of a node. */
	async shootPanel(): Promise<Buffer> {
		return await this.shootPart(this.panel, { margin: PANEL_MARGIN });
	}

	private async shoot(clip: {
		x: number;
		y: number;
		width: number;
		height: number;
	}): Promise<Buffer> {
		// The editor shows buttons around whatever is under the mouse.
		await this.page.mouse.move(1, 1);
		await this.page.locator(':focus').evaluateAll((focused) => {
			for (const element of focused) element.blur();
		});
		await this.closeToasts();
		return await this.page.screenshot({
			clip,
			animations: 'disabled',
			caret: 'hide',
		});
	}

	private async closeToasts(): Promise<void> {
		const toasts = this.page.locator('.el-notification');
		const closeButtons = toasts.locator('.el-notification__closeBtn');
		while ((await closeButtons.count()) > 0) {
			await closeButtons
				.first()
				.click({ timeout: 2_000 })
				.catch(() => undefined);
			await this.page.waitForTimeout(300);
		}
	}
}
