"""Where does the data live, and when is a day true?"""
