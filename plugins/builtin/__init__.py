"""The plugins that come with postil: ordinary ones, written against the same contract as anybody's."""
