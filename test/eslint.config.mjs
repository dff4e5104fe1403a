import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

// Tests and the local StepFun server are no part of the package: n8n's rules for nodes (no node:http, no timers,
// no console) do not concern them.
export default defineConfig({
	files: ['**/*.cts'],
	extends: [eslint.configs.recommended, tseslint.configs.recommended],
});
