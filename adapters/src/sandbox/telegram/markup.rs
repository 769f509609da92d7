//! Keyboards: checked as the real service checks them.

use serde_json::Value;

use super::error::ApiError;

/// What kind of keyboard a message carries. Only an inline one is part of the message and shown in its JSON.
pub(super) fn check(markup: Option<Value>) -> Result<Option<Value>, ApiError> {
    let Some(markup) = markup else {
        return Ok(None);
    };
    if let Some(rows) = markup.get("inline_keyboard") {
        let buttons = rows
            .as_array()
            .ok_or_else(|| ApiError::bad("object expected as reply markup"))?;
        for button in buttons
            .iter()
            .flat_map(|row| row.as_array().into_iter().flatten())
        {
            check_inline(button)?;
        }
    } else if let Some(rows) = markup.get("keyboard") {
        let buttons = rows
            .as_array()
            .ok_or_else(|| ApiError::bad("object expected as reply markup"))?;
        for button in buttons
            .iter()
            .flat_map(|row| row.as_array().into_iter().flatten())
        {
            if button_text(button).is_empty() {
                return Err(ApiError::bad(
                    "can't parse keyboard button: text must be non-empty",
                ));
            }
        }
    } else if markup.get("remove_keyboard").is_none() && markup.get("force_reply").is_none() {
        return Err(ApiError::bad("object expected as reply markup"));
    }
    Ok(Some(markup))
}

fn button_text(button: &Value) -> &str {
    button
        .get("text")
        .and_then(Value::as_str)
        .or_else(|| button.as_str())
        .unwrap_or_default()
}

fn check_inline(button: &Value) -> Result<(), ApiError> {
    if button_text(button).is_empty() {
        return Err(ApiError::bad(
            "can't parse inline keyboard button: text must be non-empty",
        ));
    }
    let actions = [
        "url",
        "callback_data",
        "web_app",
        "login_url",
        "switch_inline_query",
        "switch_inline_query_current_chat",
        "copy_text",
        "pay",
    ];
    if !actions
        .iter()
        .any(|action| button.get(action).is_some_and(|value| !value.is_null()))
    {
        return Err(ApiError::bad(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ));
    }
    match button.get("callback_data").and_then(Value::as_str) {
        Some(data) if data.is_empty() || data.len() > 64 => {
            Err(ApiError::bad("BUTTON_DATA_INVALID"))
        }
        _ => Ok(()),
    }
}

/// The inline keyboard of a markup, as messages show it; an empty one is none.
pub(super) fn inline(markup: Option<&Value>) -> Option<&Value> {
    let rows = markup?.get("inline_keyboard")?.as_array()?;
    if rows
        .iter()
        .all(|row| row.as_array().is_none_or(Vec::is_empty))
    {
        None
    } else {
        markup
    }
}

/// The callback data of every button, in reading order, with the button's text.
pub(super) fn callbacks(markup: Option<&Value>) -> Vec<(String, String)> {
    let rows = inline(markup)
        .and_then(|markup| markup.get("inline_keyboard"))
        .and_then(Value::as_array);
    let buttons = rows
        .into_iter()
        .flatten()
        .flat_map(|row| row.as_array().into_iter().flatten());
    buttons
        .filter_map(|button| {
            Some((
                button_text(button).to_owned(),
                button.get("callback_data")?.as_str()?.to_owned(),
            ))
        })
        .collect()
}
