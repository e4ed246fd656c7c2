import { defineConfig } from 'drizzle-kit'

/** `npx drizzle-kit generate` writes the next migration into `drizzle/`; src/catalog/migrations.ts must name it. */
export default defineConfig({ dialect: 'sqlite', schema: './src/catalog/schema.ts', out: './drizzle' })
