-- The language of an episode's introduction and closing; NULL: nothing is said around the story.
ALTER TABLE podcasts ADD COLUMN introduced_in text;
UPDATE podcasts SET introduced_in = 'en';
